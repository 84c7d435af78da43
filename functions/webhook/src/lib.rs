//! The function `webhook`: signed webhook events of payment providers.
//!
//! It verifies the signature over the raw bytes, converts the body to payment events, and hands
//! each event to Temporal before it responds with a 2xx. The event's order or settlement decides
//! about the event. Start reading at [`App`].

mod app;
mod clock;
mod secret_file;
mod secrets;
mod settings;

pub use app::App;
pub use clock::Clock;
pub use secrets::WebhookSecrets;
pub use settings::Settings;
