//! The commands for the local stack.

pub(crate) mod arguments;
mod env;
mod logs;
mod ps;
mod reset;
mod serve;
mod temporal;
mod up;

pub(crate) use env::env;
pub(crate) use logs::show_logs;
pub(crate) use ps::show_services;
pub(crate) use reset::{reset_stack, restart_services, stop_stack};
pub(crate) use serve::{check_service_health, serve_service};
pub(crate) use temporal::run_temporal;
pub(crate) use up::{start_stack, supervise_stack};
