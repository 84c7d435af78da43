//! The payment providers of the worker: the adapters of `payment-providers`, and the simulator.

mod simulator;

pub use payment_providers::*;
pub use simulator::Simulator;
