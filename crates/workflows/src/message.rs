//! Messages to a workflow, decoded without failure.
//!
//! A payload that cannot be decoded would fail the workflow task repeatedly and block the order. So
//! decoding returns either the message or the reason why it is malformed. The handlers refuse
//! malformed messages.

use serde::Serialize;
use temporalio_common::{
    data_converters::{
        PayloadConversionError, SerializationContext, TemporalDeserializable, TemporalSerializable,
    },
    protos::temporal::api::common::v1::Payload,
};

use contract::{Request, Rules, request_fingerprint};

/// A type that is decoded from JSON text.
pub trait Decode: Sized + Serialize + 'static {
    fn decode(text: &str) -> Result<Self, String>;
}

impl<T: Request> Decode for T {
    fn decode(text: &str) -> Result<Self, String> {
        // A replay must read a message as the first run did.
        T::parse_with(text, Rules::Earlier).map_err(|error| error.to_string())
    }
}

/// A decoded message, or the reason why it is malformed.
#[derive(Debug, Clone, PartialEq)]
pub enum Message<T> {
    Valid(T),
    Malformed(String),
}

impl<T: Decode> Message<T> {
    fn from_bytes(bytes: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self::Malformed("the payload is not UTF-8".to_owned());
        };
        // The reason may quote the input. PostgreSQL does not store NUL characters, so control
        // characters are replaced.
        T::decode(text).map_or_else(
            |error| Self::Malformed(error.replace(char::is_control, " ")),
            Self::Valid,
        )
    }
}

impl<T: Decode> Message<T> {
    /// Returns a hash of the request, which distinguishes two requests that use the same update id.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        match self {
            Self::Valid(request) => request_fingerprint(request),
            Self::Malformed(_) => None,
        }
    }
}

impl<T: Decode> TemporalDeserializable for Message<T> {
    fn from_payload(
        _: &SerializationContext<'_>,
        payload: Payload,
    ) -> Result<Self, PayloadConversionError> {
        Ok(Self::from_bytes(&payload.data))
    }

    /// Decodes a message without payload, such as `temporal workflow signal` sends without
    /// `--input`, as empty text.
    fn from_payloads(
        _: &SerializationContext<'_>,
        payloads: Vec<Payload>,
    ) -> Result<Self, PayloadConversionError> {
        Ok(Self::from_bytes(
            payloads
                .first()
                .map_or(&[], |payload| payload.data.as_slice()),
        ))
    }
}

impl<T: Decode> TemporalSerializable for Message<T> {
    fn to_payload(&self, _: &SerializationContext<'_>) -> Result<Payload, PayloadConversionError> {
        let data = match self {
            Self::Valid(message) => serde_json::to_vec(message),
            Self::Malformed(text) => serde_json::to_vec(text),
        };
        let data = data.map_err(|error| PayloadConversionError::EncodingError(error.into()))?;
        let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
        Ok(Payload {
            metadata,
            data,
            ..Payload::default()
        })
    }
}
