//! Messages as they arrive: whatever a caller sends, decoding never fails.
//!
//! A payload that can't be decoded would fail the workflow task again and again and hold the order.
//! So a message is decoded into what it says or into why it says nothing; handlers refuse the latter.

use serde::Serialize;
use temporalio_common::{
    data_converters::{
        PayloadConversionError, SerializationContext, TemporalDeserializable, TemporalSerializable,
    },
    protos::temporal::api::common::v1::Payload,
};

use contract::{Request, request_fingerprint};

/// What can be read from a JSON text.
pub trait Decode: Sized + Serialize + 'static {
    fn decode(text: &str) -> Result<Self, String>;
}

impl<T: Request> Decode for T {
    fn decode(text: &str) -> Result<Self, String> {
        T::parse(text).map_err(|error| error.to_string())
    }
}

/// What was sent, or what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Message<T> {
    Valid(T),
    Malformed(String),
}

impl<T: Decode> Message<T> {
    fn read(bytes: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self::Malformed("is not UTF-8".to_owned());
        };
        // What is wrong may quote what was sent, and is written where no NUL may stand.
        T::decode(text).map_or_else(
            |error| Self::Malformed(error.replace(char::is_control, " ")),
            Self::Valid,
        )
    }
}

impl<T: Decode> Message<T> {
    /// What tells this request from another one under the same update id.
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
        Ok(Self::read(&payload.data))
    }

    /// No payload at all, as `temporal workflow signal` without `--input` sends, is an empty message.
    fn from_payloads(
        _: &SerializationContext<'_>,
        payloads: Vec<Payload>,
    ) -> Result<Self, PayloadConversionError> {
        Ok(Self::read(
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
