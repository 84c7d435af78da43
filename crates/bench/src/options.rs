//! The choices of the caller.

use std::path::PathBuf;

use serde::Serialize;

use crate::load::Load;
use domain::Span;

/// The Temporal server of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TemporalKind {
    /// The development server, which keeps workflows in memory.
    Dev,
    /// A server whose workflows are in the PostgreSQL server of the orders, in separate databases.
    Postgres,
}

impl TemporalKind {
    /// Returns the name for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Dev => "Temporal's development server",
            Self::Postgres => "a Temporal server on PostgreSQL",
        }
    }
}

/// Options of a measurement.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The orders of each phase.
    pub orders: u32,
    /// The way in which orders arrive.
    pub load: Load,
    /// The Temporal server.
    pub temporal: TemporalKind,
    /// The number of rounds. Each one measures every design once.
    pub rounds: u32,
    /// `true` also measures the plain design.
    pub against_plain: bool,
    /// The wait between dispatch and delivery.
    pub delivery: Span,
    /// The number of different SKUs; each order has one line.
    pub skus: u32,
    /// Additional settings of worker and API.
    pub settings: Vec<(String, String)>,
    /// The program that has `serve worker` and `serve api`.
    pub program: PathBuf,
    /// The worker of the plain design.
    pub plain_worker: PathBuf,
}
