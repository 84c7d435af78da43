//! The commands around the local stack.

mod env;
mod logs;
mod ps;
mod reset;
mod serve;
mod up;

pub(crate) use env::env;
pub(crate) use logs::logs;
pub(crate) use ps::ps;
pub(crate) use reset::{down, reset, restart};
pub(crate) use serve::{health, serve};
pub(crate) use up::{supervise, up};
