//! API keys. The settings contain only the SHA-256 of a key.
//!
//! A key has 256 random bits, so its plain SHA-256 cannot be reversed. Slow hashes are for
//! passwords that people choose.

use std::{fmt::Write, time::SystemTime};

use chrono::{DateTime, Utc};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use lambda_http::http::{HeaderMap, HeaderName};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::{AuthError, single_header};
use crate::{Caller, Scope};
use domain::CustomerId;

const HEADER: HeaderName = HeaderName::from_static("x-api-key");
/// The maximum length of a key, in bytes. Generated keys have 47.
const MAX_KEY_BYTES: usize = 512;

/// The accepted keys.
#[derive(Debug)]
pub(crate) struct ApiKeys(Vec<ApiKey>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct ApiKey {
    name: String,
    hash: [u8; 32],
    scopes: Vec<Scope>,
    customer: Option<CustomerId>,
    expires: Option<DateTime<Utc>>,
}

/// An entry for a key in a setting, before its validation. As a line:
/// `shop 5e88… orders:read,orders:write customer=C-1 expires=2027-01-01T00:00:00Z`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    sha256: String,
    scopes: Vec<String>,
    customer_id: Option<String>,
    expires: Option<String>,
}

impl ApiKeys {
    /// Parses a JSON array, or lines.
    ///
    /// # Errors
    ///
    /// A problem that does not repeat the text. A text without a key is one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let keys = Self::parse_entries(text)?;
        if keys.0.is_empty() {
            return Err("no API key; create one with `orderflow api-key create`".to_owned());
        }
        Ok(keys)
    }

    fn parse_entries(text: &str) -> Result<Self, String> {
        let entry = if text.trim_start().starts_with('[') {
            let read = serde_json::from_str::<Vec<KeyEntry>>(text);
            read.map_err(|error| {
                format!(
                    "must be a JSON list of keys (error in line {})",
                    error.line()
                )
            })?
        } else {
            let lines = text.split(['\n', ';']).map(str::trim);
            lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(KeyEntry::from_line)
                .collect()
        };
        let mut keys: Vec<ApiKey> = Vec::new();
        for (index, entry) in entry.into_iter().enumerate() {
            let key = entry
                .validate()
                .map_err(|why| format!("key {} {why}", index + 1))?;
            if keys
                .iter()
                .any(|known| known.name == key.name || known.hash == key.hash)
            {
                return Err(format!(
                    "key {} must differ from the others in name and hash",
                    index + 1
                ));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, AuthError> {
        let key = single_header(headers, HEADER)?;
        let now = DateTime::<Utc>::from(SystemTime::now());
        let found = self
            .find(key)
            .ok_or(AuthError::Invalid("the API key is unknown"))?;
        if found.expires.is_some_and(|expires| expires <= now) {
            return Err(AuthError::Invalid("the API key has expired"));
        }
        Ok(Caller::new(
            format!("key:{}", found.name),
            found.scopes.clone(),
            found.customer.clone(),
        ))
    }

    /// Compares with every key, so that the time does not depend on the position of the key.
    fn find(&self, key: &str) -> Option<&ApiKey> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return None;
        }
        let hash = Sha256::digest(key);
        let (mut found, mut at) = (Choice::from(0), 0_u64);
        for (index, known) in (0_u64..).zip(&self.0) {
            let same = known.hash.as_slice().ct_eq(hash.as_slice());
            at.conditional_assign(&index, same);
            found |= same;
        }
        self.0
            .get(usize::try_from(at).ok()?)
            .filter(|_| bool::from(found))
    }
}

impl KeyEntry {
    /// Splits a line into its fields. A malformed line becomes an entry that [`Self::validate`]
    /// rejects.
    fn from_line(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (name, sha256) = (word(), word());
        let scopes = word().split(',').map(str::to_owned).collect();
        let mut entry = Self {
            name,
            sha256,
            scopes,
            ..Self::default()
        };
        for word in words {
            match word.split_once('=') {
                Some(("customer", id)) => entry.customer_id = Some(id.to_owned()),
                Some(("expires", time)) => entry.expires = Some(time.to_owned()),
                _ => entry.scopes.push(String::new()),
            }
        }
        entry
    }

    /// Converts a valid entry. The error never repeats the entry, which may contain the key itself.
    fn validate(self) -> Result<ApiKey, &'static str> {
        let is_name = |name: &str| {
            (1..=64).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if !is_name(&self.name) {
            return Err("must have a name of up to 64 letters, digits, '-', '_' and '.'");
        }
        let hash = HEXLOWER_PERMISSIVE
            .decode(self.sha256.as_bytes())
            .ok()
            .and_then(|hash| hash.try_into().ok());
        let hash = hash.ok_or("must have the SHA-256 of the key as 64 hexadecimal digits")?;
        let scopes: Option<Vec<_>> = self
            .scopes
            .iter()
            .map(|scope| Scope::parse(scope))
            .collect();
        let scopes = scopes.filter(|scopes| !scopes.is_empty());
        let scopes = scopes.ok_or(
            "must have at least one scope of orders:read, orders:write, orders:operate, orders:refund and stock:write",
        )?;
        let customer = self
            .customer_id
            .map(|id| CustomerId::parse(&id))
            .transpose();
        let customer = customer.map_err(|_| "must have a valid customer id")?;
        let expires = self.expires.map(|time| time.parse()).transpose();
        let expires =
            expires.map_err(|_| "must have a time of expiry such as 2027-01-01T00:00:00Z")?;
        Ok(ApiKey {
            name: self.name,
            hash,
            scopes,
            customer,
            expires,
        })
    }
}

/// A new key. Only its hash is stored, so the key must be shown to its owner now.
#[derive(Debug)]
pub struct NewApiKey {
    pub key: String,
    /// The entry for `API_KEYS`, or a line of `API_KEYS_FILE`.
    pub line: String,
}

/// Creates a random key and its entry for the settings.
///
/// # Errors
///
/// A sentence that begins with "must", when the name, the scopes or the customer id are invalid.
pub fn create_api_key(
    name: &str,
    scopes: &[Scope],
    customer: Option<&str>,
    expires: Option<DateTime<Utc>>,
) -> Result<NewApiKey, &'static str> {
    let key = format!(
        "ofk_{}",
        BASE64URL_NOPAD.encode(&rand::random::<[u8; 32]>())
    );
    let entry = KeyEntry {
        name: name.to_owned(),
        sha256: HEXLOWER_PERMISSIVE.encode(&Sha256::digest(&key)),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        customer_id: customer.map(str::to_owned),
        expires: expires.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
    };
    let mut line = format!("{} {} {}", entry.name, entry.sha256, entry.scopes.join(","));
    for (word, value) in [
        ("customer", &entry.customer_id),
        ("expires", &entry.expires),
    ] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(line, " {word}={value}");
        }
    }
    // Reject an entry that would not be read back as it was written.
    let parsed = KeyEntry::from_line(&line).validate()?;
    let is_equal = entry.validate()? == parsed && !line.contains(';');
    if is_equal {
        Ok(NewApiKey { key, line })
    } else {
        Err("must have a customer id without spaces and semicolons")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(keys: &ApiKeys, values: &[&str]) -> Result<Caller, AuthError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        keys.authenticate(&headers)
    }

    #[test]
    fn key_matches_its_entry() {
        let shop = create_api_key("shop", &[Scope::Read, Scope::Write], Some("C-1"), None).unwrap();
        let desk = create_api_key("desk", &[Scope::Operate], None, None).unwrap();
        let keys = ApiKeys::parse(&format!("# two\n{}\n\n{};", shop.line, desk.line)).unwrap();
        let caller = send(&keys, &[&shop.key]).unwrap();
        assert_eq!(
            (caller.name(), caller.customer().map(CustomerId::as_str)),
            ("key:shop", Some("C-1"))
        );
        assert!(
            caller.has_scope(Scope::Read)
                && caller.has_scope(Scope::Write)
                && !caller.has_scope(Scope::Operate)
        );
        assert_eq!(send(&keys, &[&desk.key]).unwrap().name(), "key:desk");
        assert_eq!(send(&keys, &[]), Err(AuthError::Missing));
        for bad in [
            &[""][..],
            &["ofk_x"],
            &[&shop.line],
            &[&shop.key, &shop.key],
            &[&"x".repeat(600)],
        ] {
            assert!(
                matches!(send(&keys, bad), Err(AuthError::Invalid(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn expired_key_is_rejected() {
        let time = |text: &str| Some(text.parse().unwrap());
        let old =
            create_api_key("old", &[Scope::Read], None, time("2020-01-01T00:00:00Z")).unwrap();
        let new =
            create_api_key("new", &[Scope::Read], None, time("2999-01-01T00:00:00Z")).unwrap();
        let keys = ApiKeys::parse(&format!("{}\n{}", old.line, new.line)).unwrap();
        assert_eq!(
            send(&keys, &[&old.key]),
            Err(AuthError::Invalid("the API key has expired"))
        );
        assert!(send(&keys, &[&new.key]).is_ok());
    }

    #[test]
    fn json_list_is_accepted() {
        let hash = "0".repeat(64);
        let entry = |extra: &str| {
            format!(r#"{{"name": "a", "sha256": "{hash}", "scopes": ["orders:read"]{extra}}}"#)
        };
        assert_eq!(
            ApiKeys::parse(&format!("[{}]", entry(r#", "customer_id": "C-1""#)))
                .unwrap()
                .0
                .len(),
            1
        );
        let twice = ApiKeys::parse(&format!("[{0}, {0}]", entry(""))).unwrap_err();
        assert_eq!(twice, "key 2 must differ from the others in name and hash");
        for bad in [
            r#", "secret": "x""#,
            r#", "customer_id": """#,
            r#", "expires": "tomorrow""#,
        ] {
            assert!(
                ApiKeys::parse(&format!("[{}]", entry(bad))).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn malformed_entry_is_numbered_and_not_repeated() {
        let hash = "0".repeat(64);
        for bad in [
            "shop",
            "sh/op {hash} orders:read",
            "shop {hash}",
            "shop secret orders:read",
            "shop {hash} orders:all",
        ]
        .map(|line| line.replace("{hash}", &hash))
        {
            let error = ApiKeys::parse(&bad).unwrap_err();
            assert!(
                error.starts_with("key 1 must have ") && !error.contains("secret"),
                "{bad}: {error}"
            );
        }
        assert!(ApiKeys::parse(&format!("shop {hash} orders:read colour=blue")).is_err());
        assert!(create_api_key("a b", &[Scope::Read], None, None).is_err());
        assert!(create_api_key("a", &[], None, None).is_err());
        assert!(create_api_key("a", &[Scope::Read], Some("C 1"), None).is_err());
    }
}
