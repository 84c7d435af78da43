//! The table of all settings, the typed readers of the environment, and the error for a bad value.
//!
//! Each setting is an environment variable with an entry in [`table`]: name, default, allowed values,
//! readers and one sentence. Programs read a variable through its entry, so a variable that is not in
//! the table cannot be read. The table also makes `docs/settings.md`, `.env.example` and the list of
//! the local stack.
//!
//! ```
//! use settings::Environment;
//!
//! let environment = Environment::from_pairs([("LOG_FORMAT", "xml")]);
//! let formats = [("pretty", 'p'), ("json", 'j')];
//! let error = environment.choose(&settings::LOG_FORMAT, &formats).unwrap_err();
//! assert_eq!(error.to_string(), "LOG_FORMAT=xml: unknown value; allowed: pretty, json");
//! ```

mod api;
mod duration;
mod environment;
mod error;
mod loopback;
mod misspelling;
pub mod pages;
mod setting;
pub mod table;

pub use api::{parse_api_address, read_secret};
pub use duration::{DURATION_UNITS, LONGEST_DURATION, parse_duration};
pub use environment::{Environment, process_variables, read};
pub use error::SettingError;
pub use loopback::is_loopback_host;
pub use misspelling::{Misspelling, find_misspellings};
pub use setting::{Allowed, Program, Section, Setting};
pub use table::*;
