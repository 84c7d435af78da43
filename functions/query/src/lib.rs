//! The function `query`: one order's state, from wherever it is true and at hand.
//!
//! It only reads. Start reading at [`App`]; the order of sources is in `state`.

mod app;
mod health;
mod state;

pub use app::App;
