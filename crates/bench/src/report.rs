//! The result of a measurement, for programs and for people.

use serde::Serialize;

use crate::{
    counts::CountsPerOrder,
    load::{Load, Timing},
    options::{BenchOptions, TemporalKind},
    percentiles::{Percentiles, median},
    target::Design,
};

/// The failures that a report contains. More of them would hide the rest.
const SHOWN_FAILURES: usize = 20;

/// Processor seconds of the parts during a phase.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) worker: f64,
    pub(crate) api: Option<f64>,
    pub(crate) temporal: f64,
    /// The whole database server, with Temporal's databases if it has them.
    pub(crate) postgres: f64,
    /// The connections to the database of the design.
    pub(crate) postgres_own: f64,
    pub(crate) load_generator: f64,
    /// The share of all processors that other programs used.
    pub(crate) foreign_percent: f64,
}

/// Processor milliseconds per order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CpuPerOrder {
    pub worker: f64,
    pub api: Option<f64>,
    pub temporal: f64,
    /// The whole database server, with Temporal's databases if it has them.
    pub postgres: f64,
    /// The part of `postgres` of the connections to the design's database.
    pub postgres_own: f64,
    /// The sum of worker, API, Temporal and PostgreSQL.
    pub all: f64,
    /// This program, which is not in the sum.
    pub load_generator: f64,
}

impl CpuPerOrder {
    fn new(cpu: &Cpu, orders: usize) -> Self {
        let per_order = |seconds: f64| round(seconds * 1_000.0 / orders.max(1) as f64);
        Self {
            worker: per_order(cpu.worker),
            api: cpu.api.map(per_order),
            temporal: per_order(cpu.temporal),
            postgres: per_order(cpu.postgres),
            postgres_own: per_order(cpu.postgres_own),
            all: per_order(cpu.worker + cpu.api.unwrap_or_default() + cpu.temporal + cpu.postgres),
            load_generator: per_order(cpu.load_generator),
        }
    }
}

/// The measurement of one design in one round.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    pub design: Design,
    /// From 1.
    pub round: u32,
    pub orders: u32,
    /// The orders that ended as expected.
    pub delivered: usize,
    pub seconds: f64,
    pub orders_per_second: f64,
    /// Durations of the calls that start an order: HTTP for orderflow, gRPC for the plain design.
    pub start_ms: Option<Percentiles>,
    /// Durations from the begin of that call to the end of the workflow.
    pub end_to_end_ms: Option<Percentiles>,
    pub cpu_ms_per_order: CpuPerOrder,
    /// Processors that other programs used, in percent of all.
    pub foreign_cpu_percent: f64,
    /// Resident memory of the worker after the last order, in MB of 1,000,000 bytes.
    pub worker_memory_mb: f64,
    pub failures: Vec<String>,
}

impl Phase {
    pub(crate) fn new(
        (design, round_number): (Design, u32),
        orders: u32,
        seconds: f64,
        timings: Vec<Timing>,
        mut failures: Vec<String>,
        cpu: Cpu,
        worker_memory: u64,
    ) -> Self {
        let delivered = timings.len();
        failures.truncate(SHOWN_FAILURES);
        Self {
            design,
            round: round_number,
            orders,
            delivered,
            seconds: round(seconds),
            orders_per_second: round(delivered as f64 / seconds.max(0.001)),
            start_ms: Percentiles::from_durations(
                timings.iter().map(|timing| timing.start).collect(),
            ),
            end_to_end_ms: Percentiles::from_durations(
                timings.iter().map(|timing| timing.end).collect(),
            ),
            cpu_ms_per_order: CpuPerOrder::new(&cpu, delivered),
            foreign_cpu_percent: round(cpu.foreign_percent),
            worker_memory_mb: round(worker_memory as f64 / 1e6),
            failures,
        }
    }
}

/// The median of a measure over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Median {
    /// The name, with the unit.
    pub measure: &'static str,
    pub orderflow: Option<f64>,
    pub plain: Option<f64>,
    /// The median of the rounds' ratios of orderflow to plain. The two phases of a round run one
    /// after the other, so a busy machine affects both.
    pub ratio: Option<f64>,
}

/// A measure of a phase: its name, and its value if the design has it.
type Measure = (&'static str, fn(&Phase) -> Option<f64>);

const MEASURES: [Measure; 11] = [
    ("orders/s", |phase| Some(phase.orders_per_second)),
    ("start call p50, ms", |phase| {
        phase.start_ms.map(|time| time.p50)
    }),
    ("end to end p50, ms", |phase| {
        phase.end_to_end_ms.map(|time| time.p50)
    }),
    ("end to end p99, ms", |phase| {
        phase.end_to_end_ms.map(|time| time.p99)
    }),
    ("CPU per order, all, ms", |phase| {
        Some(phase.cpu_ms_per_order.all)
    }),
    ("  worker", |phase| Some(phase.cpu_ms_per_order.worker)),
    ("  API", |phase| phase.cpu_ms_per_order.api),
    ("  Temporal", |phase| Some(phase.cpu_ms_per_order.temporal)),
    ("  PostgreSQL", |phase| {
        Some(phase.cpu_ms_per_order.postgres)
    }),
    ("    own database", |phase| {
        Some(phase.cpu_ms_per_order.postgres_own)
    }),
    ("worker memory, MB", |phase| Some(phase.worker_memory_mb)),
];

/// A count: its name and its value.
type Count = (&'static str, fn(&CountsPerOrder) -> f64);

const COUNTS: [Count; 7] = [
    ("database round trips", |of| of.round_trips),
    ("statements", |of| of.statements),
    ("transactions", |of| of.transactions),
    ("commits of writes", |of| of.commits),
    ("state transitions", |of| of.state_transitions),
    ("history events", |of| of.history_events),
    ("billable actions", |of| of.billable_actions),
];

/// The result of a measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub temporal: TemporalKind,
    pub load: Load,
    pub orders: u32,
    pub rounds: u32,
    /// The wait between dispatch and delivery.
    pub delivery: String,
    pub skus: u32,
    /// Additional settings of worker and API.
    pub settings: Vec<(String, String)>,
    pub processors: usize,
    pub phases: Vec<Phase>,
    pub medians: Vec<Median>,
    /// Counts of orders that ran one after the other.
    pub counts: Vec<CountsPerOrder>,
}

impl Report {
    pub(crate) fn new(
        options: &BenchOptions,
        phases: Vec<Phase>,
        counts: Vec<CountsPerOrder>,
    ) -> Self {
        let medians = MEASURES
            .iter()
            .map(|measure| median_of_measure(&phases, *measure))
            .collect();
        Self {
            temporal: options.temporal,
            load: options.load,
            orders: options.orders,
            rounds: options.rounds,
            delivery: options.delivery.to_string(),
            skus: options.skus,
            settings: options.settings.clone(),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            phases,
            medians,
            counts,
        }
    }

    /// Returns whether every order ended as expected.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Returns the failures of all phases.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.phases
            .iter()
            .flat_map(|phase| phase.failures.iter().map(String::as_str))
    }

    /// Returns the tables for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let load = match self.load {
            Load::Closed { concurrency } => format!("{concurrency} callers"),
            Load::Open { rate } => format!("{rate} orders/s"),
        };
        let head = format!(
            "{} orders per phase, {load}, {}, {} processors, delivery after {}, {} SKUs",
            self.orders,
            self.temporal.describe(),
            self.processors,
            self.delivery,
            self.skus
        );
        let phases = self.phases.iter().map(|phase| {
            vec![
                phase.round.to_string(),
                phase.design.as_str().to_owned(),
                format!("{}/{}", phase.delivered, phase.orders),
                format!("{:.1}", phase.orders_per_second),
                format_percentiles(phase.start_ms),
                format_percentiles(phase.end_to_end_ms),
                format_cpu(&phase.cpu_ms_per_order),
                format!("{:.0}", phase.worker_memory_mb),
                format!("{:.0} %", phase.foreign_cpu_percent),
            ]
        });
        let phases = format_table(
            [
                "round",
                "design",
                "delivered",
                "orders/s",
                "start p50/95/99 ms",
                "end p50/95/99 ms",
                "CPU worker/API/Temporal/PG = all ms",
                "worker MB",
                "others",
            ]
            .map(str::to_owned)
            .to_vec(),
            phases.collect(),
        );
        let has_plain = self
            .phases
            .iter()
            .any(|phase| phase.design == Design::Plain);
        let value =
            |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
        let ratio =
            |ratio: Option<f64>| ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let medians = self.medians.iter().map(|line| {
            let mut cells = vec![line.measure.to_owned(), value(line.orderflow)];
            if has_plain {
                cells.extend([value(line.plain), ratio(line.ratio)]);
            }
            cells
        });
        let mut names = vec!["median of rounds", "orderflow"];
        if has_plain {
            names.extend(["plain", "ratio"]);
        }
        let names = names.into_iter().map(str::to_owned).collect();
        let medians = format_table(names, medians.collect());
        let counts = self.format_counts();
        format!("{head}\n\n{phases}\n\n{medians}\n\n{counts}")
    }

    /// Formats a table with a column for each design.
    fn format_counts(&self) -> String {
        let mut names = vec!["per order, one after the other".to_owned()];
        names.extend(self.counts.iter().map(|of| of.design.as_str().to_owned()));
        let rows = COUNTS.iter().map(|(name, value_of)| {
            let values = self.counts.iter().map(|of| format!("{:.1}", value_of(of)));
            [(*name).to_owned()].into_iter().chain(values).collect()
        });
        format_table(names, rows.collect())
    }
}

fn median_of_measure(phases: &[Phase], (measure, value_of): Measure) -> Median {
    let of = |design: Design| phases.iter().filter(move |phase| phase.design == design);
    let values = |design| of(design).filter_map(value_of).collect();
    let ratios = of(Design::Orderflow).filter_map(|ours| {
        let plain = of(Design::Plain).find(|plain| plain.round == ours.round)?;
        Some(value_of(ours)? / value_of(plain).filter(|value| *value > 0.0)?)
    });
    Median {
        measure: measure.trim_start(),
        orderflow: median(values(Design::Orderflow)).map(round),
        plain: median(values(Design::Plain)).map(round),
        ratio: median(ratios.collect()).map(round),
    }
}

fn format_percentiles(found: Option<Percentiles>) -> String {
    found.map_or("–".to_owned(), |found| {
        format!("{:.0}/{:.0}/{:.0}", found.p50, found.p95, found.p99)
    })
}

fn format_cpu(cpu: &CpuPerOrder) -> String {
    let api = cpu.api.map_or("–".to_owned(), |api| format!("{api:.1}"));
    format!(
        "{:.1}/{api}/{:.1}/{:.1} = {:.1}",
        cpu.worker, cpu.temporal, cpu.postgres, cpu.all
    )
}

/// Formats aligned columns under a header line.
fn format_table(names: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = [names].into_iter().chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let padded = cells.map(|(column, cell)| format!("{cell:width$}", width = width(column)));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Rounds to hundredths.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn phase(design: Design, round: u32, seconds: f64) -> Phase {
        let timing = Timing {
            start: Duration::from_millis(10),
            end: Duration::from_millis(100),
        };
        let cpu = Cpu {
            worker: 0.1,
            api: (design == Design::Orderflow).then_some(0.01),
            temporal: 0.4,
            postgres: 0.3,
            postgres_own: 0.2,
            load_generator: 0.05,
            foreign_percent: 12.3,
        };
        Phase::new(
            (design, round),
            10,
            seconds,
            vec![timing; 10],
            Vec::new(),
            cpu,
            50_000_000,
        )
    }

    #[test]
    fn times_are_divided_by_delivered_orders() {
        let found = phase(Design::Orderflow, 1, 4.0);
        assert_eq!(found.orders_per_second, 2.5);
        let cpu = found.cpu_ms_per_order;
        assert_eq!(
            (cpu.worker, cpu.api, cpu.temporal, cpu.postgres, cpu.all),
            (10.0, Some(1.0), 40.0, 30.0, 81.0)
        );
        assert_eq!((cpu.load_generator, found.worker_memory_mb), (5.0, 50.0));
    }

    #[test]
    fn ratio_compares_phases_of_the_same_round() {
        // The machine is busy in the second round, which affects both designs.
        let phases = [
            phase(Design::Orderflow, 1, 1.0),
            phase(Design::Plain, 1, 2.0),
            phase(Design::Plain, 2, 20.0),
            phase(Design::Orderflow, 2, 10.0),
        ];
        let found = median_of_measure(&phases, MEASURES[0]);
        assert_eq!(found.ratio, Some(2.0));
        assert_eq!((found.orderflow, found.plain), (Some(5.5), Some(2.75)));
        let api = median_of_measure(&phases, MEASURES[6]);
        assert_eq!(
            (api.orderflow, api.plain, api.ratio),
            (Some(1.0), None, None)
        );
    }

    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let shown = format_table(
            row(["sku", "n"]),
            vec![row(["a", "1"]), row(["–long", "2"])],
        );
        assert_eq!(shown, "sku    n\na      1\n–long  2");
    }
}
