//! The function `web`: serves the OpenAPI document, its two viewers, and the operators' console.
//!
//! The function serves files and has neither Temporal nor a database. It also receives requests
//! without a route and responds with 404 or 405. Start reading at [`App`]; `files` has the files,
//! and `browser_policy` has their content security policies.

mod app;
mod browser_policy;
mod files;

pub use app::App;
