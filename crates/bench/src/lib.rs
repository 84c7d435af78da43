//! `orderflow bench`: measures what an order costs, on a stack that it starts by itself.
//!
//! Start reading at [`run`]. One measurement of one design is a [`Phase`]. The modules are:
//!
//! - `options`: the choices of the caller;
//! - `servers`: PostgreSQL and Temporal, which all phases share;
//! - `programs`: worker and API, which each phase starts again;
//! - `target`: one order of a design, from its start to its end;
//! - `load`: many orders, as a closed or an open loop;
//! - `cpu`: processor time and memory of process trees, from `/proc`;
//! - `counts`: counts per order that do not depend on the machine. `wire` counts the messages to
//!   PostgreSQL, and `actions` reads histories;
//! - `percentiles` and `report`: the arithmetic and the table;
//! - `plain`: the design to compare with. Its worker is the program `orderflow-plain-worker`.

mod actions;
mod counts;
mod cpu;
mod load;
mod options;
mod percentiles;
pub mod plain;
mod programs;
mod report;
mod run;
mod servers;
mod target;
mod wire;

pub use counts::CountsPerOrder;
pub use load::Load;
pub use options::{BenchOptions, TemporalKind};
pub use report::{Phase, Report};
pub use run::run;
pub use target::Design;
