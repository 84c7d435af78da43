//! The function `query`: one order's state, from wherever it is true and at hand.
//!
//! It only reads. Start reading at [`App`]; the order of sources is in `state`, how a caller waits in `wait`.

mod answer;
mod app;
mod health;
mod state;
mod wait;

pub use app::App;
pub use health::{Dependency, Health};
