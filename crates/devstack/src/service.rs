//! The servers of the stack that are not built here.

pub(crate) mod mail;
pub(crate) mod postgres;
pub(crate) mod temporal;
pub(crate) mod temporal_server;
