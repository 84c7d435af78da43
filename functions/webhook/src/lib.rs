//! The function `webhook`: payment providers' signed notifications.
//!
//! It verifies the raw bytes, translates them, and has Temporal keep each event: then the provider gets its 2xx. What
//! comes of an event is decided by its order or its settlement. Start reading at [`App`].

mod app;
mod clock;
mod secret_file;
mod secrets;
mod secrets_manager;
mod settings;

pub use app::App;
pub use clock::Clock;
pub use secrets::WebhookSecrets;
pub use settings::Settings;
