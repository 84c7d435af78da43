//! Reading query parameters, so that every bad one is named at once.

use crate::{Call, Problem};
use domain::FieldError;

const DEFAULT_LIMIT: u32 = 50;
const LARGEST_LIMIT: u32 = 200;

/// The query parameters of one call. Unknown ones are ignored, as everywhere on the web.
#[derive(Debug)]
pub struct Parameters<'a> {
    call: &'a Call,
    errors: Vec<FieldError>,
}

impl<'a> Parameters<'a> {
    pub fn of(call: &'a Call) -> Self {
        Self { call, errors: Vec::new() }
    }

    /// What `read` makes of the parameter; an empty one counts as absent.
    pub fn read<T>(&mut self, name: &str, must: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.call.query(name)?;
        let value = read(text);
        if value.is_none() {
            self.errors.push(FieldError { pointer: format!("/{name}"), detail: must.to_owned() });
        }
        value
    }

    /// `limit`: 1 to 200, 50 when it is not given.
    pub fn limit(&mut self) -> u32 {
        let must = format!("must be a whole number from 1 to {LARGEST_LIMIT}");
        let within = |limit: &u32| (1..=LARGEST_LIMIT).contains(limit);
        self.read("limit", &must, |text| text.parse().ok().filter(within)).unwrap_or(DEFAULT_LIMIT)
    }

    /// Refuses the call if a parameter was bad.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid_query(self.errors)) }
    }
}
