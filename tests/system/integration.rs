//! Requests in time and too late, in each spelling, and with each kind of invalid input.

mod audit_events;
mod bad_input;
mod cancel_payment;
mod changes;
mod hold;
mod matrix;
mod order_details;
mod origins;
mod profiles;
mod reads;
mod signals;
mod starts;
mod update_items;
mod update_order;
