//! Verifies a message on its raw bytes, before any of its content is used.

use crate::{
    mac,
    providers::adyen,
    schemes::{self, Family, MacEncoding, Place, Signed},
    secrets::Secrets,
};
use domain::WebhookProvider;

/// The largest difference between a time stamp and the clock, in seconds, in both directions.
pub const TOLERANCE: u64 = 300;

/// The maximum number of events in one message; no provider sends so many.
pub const LARGEST_BATCH: usize = 250;

/// A received message.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Name and value of each header, in any case. A repeated header is in the list several times.
    pub headers: &'a [(&'a str, &'a str)],
    /// The raw bytes. A body that a gateway encoded must be decoded before.
    pub body: &'a [u8],
    /// Seconds since 1970.
    pub now: i64,
    /// The URL that is registered at the provider, if it is a part of the signature (Square).
    pub notification_url: Option<&'a str>,
}

/// The reason why a message is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the signature is missing, or what belongs to it can't be read")]
    Header,
    #[error("the signature does not match")]
    Signature,
    #[error("the time stamp is more than {TOLERANCE} seconds from now")]
    Timestamp,
}

impl Rejection {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
        }
    }
}

/// A message with a valid signature. Only [`verify`] creates it.
#[derive(Clone, Copy)]
pub struct Verified<'a> {
    pub(crate) provider: WebhookProvider,
    pub(crate) request: Request<'a>,
    /// The signed id beside the body.
    pub(crate) signed_id: Option<&'a str>,
}

impl<'a> Verified<'a> {
    pub fn provider(&self) -> WebhookProvider {
        self.provider
    }

    pub fn body(&self) -> &'a [u8] {
        self.request.body
    }

    /// Returns the signed id of the message, which Standard Webhooks have beside the body.
    pub fn message_id(&self) -> Option<&'a str> {
        self.signed_id
    }

    /// Returns a header that is not signed.
    pub(crate) fn unsigned_header(&self, name: &str) -> Option<&'a str> {
        self.request.values(name).next()
    }
}

impl std::fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Verified({}, {} bytes)",
            self.provider,
            self.request.body.len()
        )
    }
}

/// Accepts a message with a valid signature under one of the secrets. If the provider signs the
/// time, it must be recent.
pub fn verify<'a>(secrets: &Secrets, request: &Request<'a>) -> Result<Verified<'a>, Rejection> {
    let provider = secrets.provider();
    let scheme = schemes::of(provider);
    let verified = |signed_id| Verified {
        provider,
        request: *request,
        signed_id,
    };
    let check = |before: &[&[u8]], candidates: &[&str]| {
        let parts: Vec<&[u8]> = before.iter().copied().chain([request.body]).collect();
        judge(secrets, &parts, candidates, scheme.mac)
    };
    match &scheme.place {
        Place::Stamped { header } => {
            let stamp = Stamp::read(request.single(header)?)?;
            check(&[stamp.text.as_bytes(), b"."], &stamp.candidates)?;
            request.is_recent(stamp.text)?;
            Ok(verified(None))
        }
        Place::Apart { families } => {
            let family = request.family(families);
            let id = request.single(family.id)?;
            let timestamp = request.single(family.timestamp)?;
            let signatures = request.several(family.signature)?;
            seconds(timestamp)?;
            let candidates: Vec<_> = signatures
                .iter()
                .flat_map(|value| versioned_candidates(value))
                .collect();
            check(
                &[id.as_bytes(), b".", timestamp.as_bytes(), b"."],
                &candidates,
            )?;
            request.is_recent(timestamp)?;
            Ok(verified(Some(id)))
        }
        Place::Alone { header, prefix } => {
            let values = request.several(header)?;
            let candidates = candidates(&values, prefix);
            match scheme.signed {
                Signed::UrlBody => {
                    let url = request.notification_url.ok_or(Rejection::Signature)?;
                    check(&[url.as_bytes()], &candidates)?;
                }
                Signed::Body | Signed::TimestampBody | Signed::IdTimestampBody => {
                    check(&[], &candidates)?
                }
            }
            Ok(verified(None))
        }
        Place::InItems { header } => {
            match adyen::batch(request.body) {
                Some(batch) => verify_items(secrets, &batch?, scheme.mac)?,
                None => check(&[], &candidates(&request.several(header)?, ""))?,
            }
            Ok(verified(None))
        }
    }
}

/// Accepts only if every item is valid and there is at least one item.
fn verify_items(
    secrets: &Secrets,
    batch: &adyen::Batch,
    mac: MacEncoding,
) -> Result<(), Rejection> {
    if batch.items.is_empty() || batch.items.iter().any(|item| item.signature.is_none()) {
        return Err(Rejection::Header);
    }
    if batch.items.len() > LARGEST_BATCH {
        return Err(Rejection::Signature);
    }
    for item in &batch.items {
        let signed = item.signed();
        judge(
            secrets,
            &[signed.as_bytes()],
            item.signature.as_deref().as_slice(),
            mac,
        )?;
    }
    Ok(())
}

fn judge(
    secrets: &Secrets,
    parts: &[&[u8]],
    candidates: &[&str],
    mac: MacEncoding,
) -> Result<(), Rejection> {
    if mac::any_matches(secrets, parts, candidates, mac) {
        Ok(())
    } else {
        Err(Rejection::Signature)
    }
}

/// A provider that rotates its key can send one header per signature, and a gateway can join them.
fn candidates<'a>(values: &[&'a str], prefix: &str) -> Vec<&'a str> {
    let signatures = values
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim);
    signatures
        .map(|signature| signature.strip_prefix(prefix).unwrap_or(signature))
        .collect()
}

/// Returns the signatures of version 1 in a header such as `v1,… v1,…`. A gateway that joins two
/// headers puts a comma between them, with or without a space.
fn versioned_candidates(value: &str) -> Vec<&str> {
    let mut candidates = Vec::new();
    for group in value.split(' ') {
        let mut parts = group.trim_matches(',').split(',');
        while let (Some(version), Some(signature)) = (parts.next(), parts.next()) {
            if version == "v1" {
                candidates.push(signature);
            }
        }
    }
    candidates
}

/// The parts of Stripe's header.
struct Stamp<'a> {
    text: &'a str,
    candidates: Vec<&'a str>,
}

impl<'a> Stamp<'a> {
    fn read(header: &'a str) -> Result<Self, Rejection> {
        let mut text = None;
        let mut candidates = Vec::new();
        for (name, value) in header.split(',').filter_map(|pair| pair.split_once('=')) {
            match name {
                // With two times, it is unknown which one was signed.
                "t" if text.is_some() => return Err(Rejection::Header),
                "t" => text = Some(value),
                "v1" => candidates.push(value),
                // `v0` is a weaker scheme of Stripe's test events.
                _ => {}
            }
        }
        let text = text.ok_or(Rejection::Header)?;
        seconds(text)?;
        Ok(Self { text, candidates })
    }
}

/// Accepts digits only: no sign, no fraction, no space.
fn seconds(text: &str) -> Result<i64, Rejection> {
    let digits = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        text.parse().map_err(|_| Rejection::Header)
    } else {
        Err(Rejection::Header)
    }
}

impl<'a> Request<'a> {
    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(theirs, _)| theirs.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_matches([' ', '\t']))
            .filter(|value| !value.is_empty())
    }

    /// Returns a header that is signed or that determines the signed text; a repeated header is
    /// rejected.
    fn single(&self, name: &str) -> Result<&'a str, Rejection> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(Rejection::Header),
        }
    }

    /// Returns all values of a signature header; each is a candidate.
    fn several(&self, name: &str) -> Result<Vec<&'a str>, Rejection> {
        let values: Vec<_> = self.values(name).collect();
        if values.is_empty() {
            Err(Rejection::Header)
        } else {
            Ok(values)
        }
    }

    /// Returns the first set of header names that is present. Sets are never mixed.
    fn family<'f>(&self, families: &'f [Family; 2]) -> &'f Family {
        let is_there = |family: &&Family| {
            [family.id, family.timestamp, family.signature]
                .iter()
                .any(|name| self.values(name).next().is_some())
        };
        families.iter().find(is_there).unwrap_or(&families[0])
    }

    fn is_recent(&self, timestamp: &str) -> Result<(), Rejection> {
        if self.now.abs_diff(seconds(timestamp)?) <= TOLERANCE {
            Ok(())
        } else {
            Err(Rejection::Timestamp)
        }
    }
}
