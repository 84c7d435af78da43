//! The function `web`: the API's description, two pages that show it, and the operators' web page.
//!
//! It serves files and knows nobody: no Temporal, no database. What no route serves comes here too, and the
//! route table answers it. Start reading at [`App`]; what is served is in `files`, under which rules in `policy`.

mod app;
mod browser_policy;
mod files;

pub use app::App;
