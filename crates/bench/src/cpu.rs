//! Processor time and memory of process trees, from `/proc` (proc(5)).

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};

/// A process as `/proc/PID/stat` describes it. Times are in clock ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// The time of the process and of its children that have exited.
    ticks: u64,
    memory_pages: u64,
}

/// Reads the content of `/proc/PID/stat`. The program's name may contain spaces and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        ticks: (11..=14).map(number).sum::<Option<u64>>()?,
        memory_pages: number(21)?,
    })
}

/// Returns the database of a PostgreSQL process, from its title
/// `postgres: user database host(port) state`.
fn parse_backend_database(title: &str) -> Option<&str> {
    let mut words = title
        .trim_end_matches(['\0', ' '])
        .strip_prefix("postgres: ")?
        .split(' ');
    let (_user, database, host) = (words.next()?, words.next()?, words.next()?);
    // Other processes have titles such as `postgres: background writer`.
    host.contains('(').then_some(database)
}

/// Returns the busy and the total time of all processors, from the first line of `/proc/stat`.
fn parse_machine(text: &str) -> Option<(u64, u64)> {
    let fields = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = fields
        .split_ascii_whitespace()
        .take(8)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let total: u64 = fields.iter().sum();
    let idle: u64 = fields.get(3)? + fields.get(4)?;
    Some((total - idle, total))
}

/// The times of all processes at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    processes: BTreeMap<u32, Stat>,
    /// The databases of PostgreSQL's processes.
    databases: BTreeMap<u32, String>,
    busy: u64,
    total: u64,
}

impl Snapshot {
    /// Reads the times of all processes. `postgres` is the process of the database server.
    pub(crate) fn take(postgres: u32) -> Result<Self> {
        let machine = fs::read_to_string("/proc/stat")
            .context("/proc/stat: not readable; `orderflow bench` needs Linux")?;
        let (busy, total) = parse_machine(&machine).context("/proc/stat: unknown format")?;
        let mut processes = BTreeMap::new();
        for entry in fs::read_dir("/proc").context("/proc: not readable")? {
            let name = entry.context("/proc: not readable")?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A process may exit meanwhile.
            if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat"))
                && let Some(stat) = parse_stat(&text)
            {
                processes.insert(pid, stat);
            }
        }
        let mut snapshot = Self {
            processes,
            databases: BTreeMap::new(),
            busy,
            total,
        };
        for pid in snapshot.tree(postgres) {
            let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if let Some(database) = parse_backend_database(&title) {
                snapshot.databases.insert(pid, database.to_owned());
            }
        }
        Ok(snapshot)
    }

    /// Returns a process and all its descendants.
    fn tree(&self, root: u32) -> Vec<u32> {
        let mut found = vec![root];
        let mut next = 0;
        while let Some(&parent) = found.get(next) {
            found.extend(
                self.processes
                    .iter()
                    .filter(|(_, stat)| stat.parent == parent)
                    .map(|(pid, _)| *pid),
            );
            next += 1;
        }
        found
    }

    fn tree_ticks(&self, root: u32) -> u64 {
        let ticks = |pid| self.processes.get(&pid).map_or(0, |stat| stat.ticks);
        self.tree(root).into_iter().map(ticks).sum()
    }

    fn database_ticks(&self, database: &str) -> u64 {
        self.databases
            .iter()
            .filter(|(_, name)| *name == database)
            .filter_map(|(pid, _)| self.processes.get(pid))
            .map(|stat| stat.ticks)
            .sum()
    }

    /// Returns the resident memory of a process tree, in bytes.
    pub(crate) fn memory(&self, root: u32) -> u64 {
        let pages = |pid| self.processes.get(&pid).map_or(0, |stat| stat.memory_pages);
        let pages: u64 = self.tree(root).into_iter().map(pages).sum();
        pages * rustix::param::page_size() as u64
    }

    /// Returns the seconds that a process tree has used since `before`.
    pub(crate) fn seconds_since(&self, before: &Self, root: u32) -> f64 {
        seconds(
            self.tree_ticks(root)
                .saturating_sub(before.tree_ticks(root)),
        )
    }

    /// Returns the seconds that one process has used since `before`, without its children.
    pub(crate) fn own_seconds_since(&self, before: &Self, pid: u32) -> f64 {
        let ticks = |of: &Self| of.processes.get(&pid).map_or(0, |stat| stat.ticks);
        seconds(ticks(self).saturating_sub(ticks(before)))
    }

    /// Returns the seconds that the connections to one database have used since `before`.
    pub(crate) fn database_seconds_since(&self, before: &Self, database: &str) -> f64 {
        seconds(
            self.database_ticks(database)
                .saturating_sub(before.database_ticks(database)),
        )
    }

    /// Returns the share of all processors that other programs have used since `before`, in percent.
    /// `ours` are the seconds of our processes.
    pub(crate) fn foreign_percent_since(&self, before: &Self, ours: f64) -> f64 {
        let total = seconds(self.total.saturating_sub(before.total));
        let busy = seconds(self.busy.saturating_sub(before.busy));
        if total > 0.0 {
            ((busy - ours) / total * 100.0).max(0.0)
        } else {
            0.0
        }
    }
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a (b) c) S 17 4242 4242 0 -1 4194304 1 2 3 4 100 20 3 4 20 0 7 0 9 1 256 18446744073709551615 1 1";

    #[test]
    fn stat_with_parentheses_in_name_is_parsed() {
        assert_eq!(
            parse_stat(STAT),
            Some(Stat {
                parent: 17,
                ticks: 127,
                memory_pages: 256
            })
        );
        assert_eq!(parse_stat("4242 (a) S"), None);
    }

    #[test]
    fn database_is_read_from_title_of_connection() {
        let database = parse_backend_database;
        assert_eq!(
            database("postgres: app temporal 127.0.0.1(5000) idle\0"),
            Some("temporal")
        );
        assert_eq!(database("postgres: background writer   \0"), None);
        assert_eq!(database("postgres: autovacuum launcher "), None);
        assert_eq!(database("/usr/bin/postgres\0-D\0data"), None);
    }

    #[test]
    fn waiting_for_disks_is_not_busy() {
        let line = "cpu  10 1 5 100 20 2 3 4 50 0\ncpu0 1 1 1 1";
        assert_eq!(parse_machine(line), Some((25, 145)));
    }

    #[test]
    fn tree_includes_grandchildren_only() {
        let process = |parent, ticks| Stat {
            parent,
            ticks,
            memory_pages: 1,
        };
        let processes = [
            (1, process(0, 1)),
            (2, process(1, 10)),
            (3, process(2, 100)),
            (4, process(1, 1000)),
        ];
        let mut before = Snapshot {
            processes: processes.into(),
            ..Snapshot::default()
        };
        before.databases.insert(3, "orders".to_owned());
        let mut after = before.clone();
        after.processes.insert(3, process(2, 300));
        let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(after.seconds_since(&before, 2), 200.0 / ticks_per_second);
        assert_eq!(after.seconds_since(&before, 4), 0.0);
        assert_eq!(after.own_seconds_since(&before, 2), 0.0);
        assert_eq!(
            after.database_seconds_since(&before, "orders"),
            200.0 / ticks_per_second
        );
    }
}
