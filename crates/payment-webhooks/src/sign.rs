//! Signs a message as its provider would, for tests and for `orderflow webhook send`.

use serde_json::Value;

use crate::{
    mac::signature,
    providers::adyen,
    schemes::{self, Place, Scheme, Signed},
    secrets::Secrets,
};

/// A message: headers in lower case, and a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// The signed values beside the body.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// Seconds since 1970.
    pub now: i64,
    /// The id of the message (Standard Webhooks).
    pub message_id: &'a str,
    /// The registered URL of the receiver (Square).
    pub notification_url: Option<&'a str>,
}

/// The reason why a message cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("square signs the URL of the receiver, and none is set (WEBHOOK_URL_SQUARE)")]
    NoUrl,
    #[error("an item of the body has no field to put its signature into")]
    Malformed,
}

/// Signs a message with the first secret. The signature is added as headers, or for Adyen as a
/// field of each item.
pub fn sign(
    secrets: &Secrets,
    mut message: Message,
    signing: &Signing<'_>,
) -> Result<Message, SignError> {
    let scheme = schemes::of(secrets.provider());
    let key = secrets.keys().next().unwrap_or_default();
    let now = signing.now.to_string();
    match &scheme.place {
        Place::Stamped { header } => {
            let signature = signature(key, &[now.as_bytes(), b".", &message.body], scheme.mac);
            message
                .headers
                .push((header, format!("t={now},v1={signature}")));
        }
        Place::Apart {
            families: [family, _],
        } => {
            let id = signing.message_id;
            let parts: [&[u8]; 5] = [id.as_bytes(), b".", now.as_bytes(), b".", &message.body];
            let signature = signature(key, &parts, scheme.mac);
            message.headers.push((family.id, id.to_owned()));
            message.headers.push((family.timestamp, now));
            message
                .headers
                .push((family.signature, format!("v1,{signature}")));
        }
        Place::Alone { header, prefix } => {
            let url = match scheme.signed {
                Signed::UrlBody => signing.notification_url.ok_or(SignError::NoUrl)?,
                Signed::Body | Signed::TimestampBody | Signed::IdTimestampBody => "",
            };
            let signature = signature(key, &[url.as_bytes(), &message.body], scheme.mac);
            message
                .headers
                .push((header, format!("{prefix}{signature}")));
        }
        Place::InItems { header } => match sign_items(key, scheme, &message.body)? {
            Some(body) => message.body = body,
            None => {
                let signature = signature(key, &[&message.body], scheme.mac);
                message.headers.push((header, signature));
            }
        },
    }
    Ok(message)
}

/// Returns the value of the header `webhook-signature` of Standard Webhooks: one signature for each
/// secret, so that a receiver with any of them accepts the message.
pub fn sign_standard(secrets: &Secrets, message_id: &str, timestamp: i64, body: &[u8]) -> String {
    let mac = schemes::of(secrets.provider()).mac;
    let timestamp = timestamp.to_string();
    let parts: [&[u8]; 5] = [
        message_id.as_bytes(),
        b".",
        timestamp.as_bytes(),
        b".",
        body,
    ];
    let signatures = secrets
        .keys()
        .map(|key| format!("v1,{}", signature(key, &parts, mac)));
    signatures.collect::<Vec<_>>().join(" ")
}

fn sign_items(key: &[u8], scheme: &Scheme, body: &[u8]) -> Result<Option<Vec<u8>>, SignError> {
    let Some(batch) = adyen::batch(body) else {
        return Ok(None);
    };
    let batch = batch.map_err(|_| SignError::Malformed)?;
    let mut body: Value = serde_json::from_slice(body).map_err(|_| SignError::Malformed)?;
    for (index, item) in batch.items.iter().enumerate() {
        let signature = signature(key, &[item.signed().as_bytes()], scheme.mac);
        let item = body
            .pointer_mut(&format!(
                "/notificationItems/{index}/NotificationRequestItem"
            ))
            .and_then(Value::as_object_mut)
            .ok_or(SignError::Malformed)?;
        let data = item
            .entry("additionalData")
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
        let data = data.as_object_mut().ok_or(SignError::Malformed)?;
        data.insert("hmacSignature".to_owned(), Value::String(signature));
    }
    Ok(Some(body.to_string().into_bytes()))
}

impl Message {
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Returns the headers in the form of [`crate::Request`].
    pub fn header_pairs(&self) -> Vec<(&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }
}
