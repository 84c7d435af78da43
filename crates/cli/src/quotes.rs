//! `quote create` and `quote key-set`: quotes for tests and scripts, signed with the shop's own key.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::{json_file::read_object, output::print, value_parsers};
use domain::Span;
use orderflow_http::QuoteKey;
use settings::{Environment, QUOTE_AUDIENCE};

#[derive(Debug, Subcommand)]
pub(crate) enum QuoteCommand {
    /// Print a signed quote with the claims of a file; it starts one order.
    #[command(after_help = "Examples:
  orderflow quote create quote.json --key quote-key.pem --key-id 2026-11
  echo '{\"customer_id\": \"C-1\", \"currency\": \"EUR\", \"items\": [{\"sku\": \"MUG-1\", \"quantity\": 2, \"unit_price\": \"12.00\"}]}' |
    orderflow quote create - --key quote-key.pem --key-id 2026-11 --valid-for 1h")]
    Create(Create),
    /// Print the public key as a JSON Web Key Set, the value of QUOTE_JWKS.
    #[command(after_help = "Examples:
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out quote-key.pem
  orderflow quote key-set --key quote-key.pem --key-id 2026-11")]
    KeySet(Key),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// JSON file with the claims, or `-` for standard input.
    #[arg(value_name = "FILE")]
    claims: PathBuf,
    #[command(flatten)]
    key: Key,
    /// Time until the quote expires, such as 15m; at most 24h.
    #[arg(long, default_value = "15m", value_name = "DURATION", value_parser = value_parsers::span)]
    valid_for: Span,
}

#[derive(Debug, Args)]
pub(crate) struct Key {
    /// File with the private key: P-256, in PEM (PKCS #8).
    #[arg(long = "key", value_name = "FILE")]
    file: PathBuf,
    /// Id of the key in the key set.
    #[arg(long = "key-id", value_name = "ID")]
    id: String,
}

impl Key {
    fn read(&self) -> Result<QuoteKey> {
        let remedy =
            "create one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
        let name = self.file.display();
        let pem = std::fs::read_to_string(&self.file)
            .map_err(|error| anyhow!("failed to read {name}: {error}; {remedy}"))?;
        QuoteKey::parse(&self.id, &pem).map_err(|problem| anyhow!("{name}: {problem}; {remedy}"))
    }
}

pub(crate) fn run(command: QuoteCommand) -> Result<()> {
    match command {
        QuoteCommand::Create(Create {
            claims,
            key,
            valid_for,
        }) => {
            let claims = complete_claims(&claims, valid_for)?;
            let quote = key.read()?.sign(&claims);
            print(&quote.map_err(|problem| anyhow!("failed to sign: {problem}"))?)
        }
        QuoteCommand::KeySet(key) => print(&key.read()?.public_key_set().to_string()),
    }
}

/// Reads the claims, and adds the audience, the lifetime and an id where the file has none.
fn complete_claims(file: &Path, valid_for: Span) -> Result<Map<String, Value>> {
    let mut claims = read_object(file, "the claims of a quote", "docs/quotes.md")?;
    let environment = Environment::from_process();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the system clock is before 1970")?
        .as_secs();
    let defaults = [
        ("aud", json!(environment.get_or_default(&QUOTE_AUDIENCE))),
        ("iat", json!(now)),
        ("exp", json!(now + valid_for.duration().as_secs())),
        (
            "jti",
            json!(format!("quote-{:032x}", rand::random::<u128>())),
        ),
    ];
    for (name, value) in defaults {
        claims.entry(name).or_insert(value);
    }
    Ok(claims)
}
