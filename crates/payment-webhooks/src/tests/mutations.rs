//! A bounded run of the fuzz targets of fuzz/. The corpus is the cases of tests/vectors, the
//! samples, and inputs found earlier; each is tried unchanged and with many changes. cargo-fuzz
//! calls the same functions. The seed is fixed.

use std::{
    collections::BTreeSet,
    fs, panic,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::*;
use domain::PaymentEventKind;

#[path = "../../../../fuzz/src/lib.rs"]
#[expect(
    unreachable_pub,
    reason = "the fuzz targets reach it, of which this is the library"
)]
mod targets;

const ROUNDS: u32 = 400;

/// The number of changes of each input: about ten thousand calls of each target.
const CHANGES: u32 = 150;

/// A deterministic random generator (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        const TEXTS: [&[u8]; 12] = [
            b"null",
            b"-1",
            b"1e999",
            b"99999999999999999999",
            b"\"\"",
            b"[[[[",
            b"{\"a\":",
            b"\\u0000",
            b"\xff",
            b":",
            b",",
            b"=",
        ];
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 => bytes.truncate(at),
                2 => {
                    let text = TEXTS[self.below(TEXTS.len())];
                    bytes.splice(at..at, text.iter().copied());
                }
                3 => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, part);
                }
                _ => {
                    let end = (at + self.below(20)).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
        }
    }
}

/// Returns the initial corpus of a fuzzer: the provider, the signature header and the body.
fn corpus() -> Vec<(WebhookProvider, String, Vec<u8>)> {
    let mut corpus = Vec::new();
    for case in vectors::cases() {
        let provider = vectors::provider(case["provider"].as_str().unwrap());
        let headers = case["headers"].as_object().unwrap();
        let signs = headers
            .iter()
            .find(|(name, _)| name.contains("signature") || name.contains("hmac"));
        let signature = signs.map(|(_, value)| value.as_str().unwrap().to_owned());
        corpus.push((
            provider,
            signature.unwrap_or_default(),
            case["body"].as_str().unwrap().into(),
        ));
    }
    for provider in WebhookProvider::ALL {
        for kind in SampleKind::ALL {
            let Some(message) = sampled(*provider, *kind, usd(1_999)) else {
                continue;
            };
            let signature = message.headers.last().map(|(_, value)| value.clone());
            corpus.push((*provider, signature.unwrap_or_default(), message.body));
        }
    }
    corpus
}

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target)
}

/// Runs the target on every input of its corpus and on changes of it. An input that fails is
/// printed, so that it can be kept.
fn holds(target: &str, take: impl Fn(&[u8]) + panic::RefUnwindSafe, seed: u64) {
    let mut dice = Dice(seed);
    let mut inputs: Vec<PathBuf> = fs::read_dir(folder(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 60, "{} of {target}", inputs.len());
    for path in inputs {
        let original = fs::read(&path).unwrap();
        for change in 0..=CHANGES {
            let mut input = original.clone();
            if change > 0 {
                dice.change(&mut input);
            }
            let taken = panic::catch_unwind(|| take(&input));
            assert!(
                taken.is_ok(),
                "{target}, {} changed into {:?}",
                path.display(),
                String::from_utf8_lossy(&input)
            );
        }
    }
}

#[test]
fn no_body_whatever_breaks_what_reads_it() {
    holds("events", targets::events, 20_261_121);
}

#[test]
fn nobody_without_a_secret_is_let_in() {
    holds("verify", targets::verify, 20_261_123);
}

#[test]
fn no_change_of_body_or_header_is_let_through() {
    let mut dice = Dice(20_261_122);
    for provider in WebhookProvider::ALL {
        let message = sampled(*provider, SampleKind::Paid, usd(1_999)).unwrap();
        let before = told(*provider, &message).unwrap();
        for round in 0..ROUNDS {
            let mut changed = message.clone();
            if round % 2 == 0 || changed.headers.is_empty() {
                dice.change(&mut changed.body);
            } else {
                let index = dice.below(changed.headers.len());
                let mut bytes = changed.headers[index].1.clone().into_bytes();
                dice.change(&mut bytes);
                changed.headers[index].1 = String::from_utf8_lossy(&bytes).into_owned();
            }
            // A changed message is accepted only if the change is not covered by the signature, or
            // is another spelling of the same value.
            if let Ok(after) = told(*provider, &changed) {
                let harmless = after.iter().all(|event| {
                    // `live` of Adyen is not signed, so the change can ignore the event.
                    matches!(
                        event.kind,
                        PaymentEventKind::Unreadable { .. }
                            | PaymentEventKind::Unconfirmed { .. }
                            | PaymentEventKind::Ignored { .. }
                    ) || before.contains(event)
                });
                assert!(harmless, "{provider} {:?} {after:?}", changed.headers);
            }
        }
    }
}

/// The files of the corpus equal the initial corpus; `UPDATE_CORPUS=1` writes them. New cases of
/// tests/vectors can be missing.
#[test]
fn the_fuzzers_corpus_is_there() {
    let mut there = BTreeSet::new();
    for (provider, signature, body) in corpus() {
        let number = u8::try_from(
            WebhookProvider::ALL
                .iter()
                .position(|other| *other == provider)
                .unwrap(),
        )
        .unwrap();
        let seeds = [
            ("events", [&[number][..], &body].concat()),
            (
                "verify",
                [&[number][..], signature.as_bytes(), b"\n", &body].concat(),
            ),
        ];
        // Named by content, so that a new case does not rename the others.
        let hash = HEXLOWER.encode(&Sha256::digest(&seeds[1].1)[..6]);
        for (target, seed) in seeds {
            let path = folder(target).join(format!("{provider}-{hash}"));
            if std::env::var_os("UPDATE_CORPUS").is_some() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &seed).unwrap();
            }
            if let Ok(found) = fs::read(&path) {
                assert_eq!(found, seed, "{}: UPDATE_CORPUS=1 renews it", path.display());
                there.insert((target, provider.as_str()));
            }
        }
    }
    assert_eq!(
        there.len(),
        2 * WebhookProvider::ALL.len(),
        "UPDATE_CORPUS=1 renews it: {there:?}"
    );
}
