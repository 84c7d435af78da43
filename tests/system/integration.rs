//! Each request in time and too late, each spelling, each kind of bad input.

mod audit_events;
mod bad_input;
mod cancel_payment;
mod matrix;
mod profiles;
mod reads;
mod signals;
mod starts;
