//! Idempotency keys under which Stripe keeps failing.
//!
//! Stripe stores the first response to a key, even a 5xx, and repeats it for a day. Only a look-up
//! shows whether such a request was executed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// The number of equal failures after which a failure counts as stored.
const SEVERAL: u32 = 3;
/// The maximum number of keys. Forgetting them only delays a look-up.
const LARGEST: usize = 1_000;

#[derive(Debug, Clone, Copy)]
struct Failures {
    status: u16,
    count: u32,
    replayed: bool,
}

#[derive(Debug, Default)]
pub(super) struct KeyFaults(Mutex<BTreeMap<String, Failures>>);

impl KeyFaults {
    pub(super) fn count(&self, key: &str, status: u16, replayed: bool) {
        let mut keys = self.lock();
        if keys.len() >= LARGEST {
            keys.clear();
        }
        let failures = keys.entry(key.to_owned()).or_insert(Failures {
            status,
            count: 0,
            replayed: false,
        });
        if failures.status != status {
            (failures.status, failures.count) = (status, 0);
        }
        failures.count += 1;
        failures.replayed |= replayed;
    }

    pub(super) fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    /// Returns whether another request with this key probably gets the same failure.
    pub(super) fn is_stuck(&self, key: &str) -> bool {
        self.lock()
            .get(key)
            .is_some_and(|failures| failures.replayed || failures.count >= SEVERAL)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Failures>> {
        // No code panics while it holds this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_equal_failures_make_a_key_stuck() {
        let faults = KeyFaults::default();
        for status in [500, 503, 503] {
            faults.count("a", status, false);
            assert!(!faults.is_stuck("a"));
        }
        faults.count("a", 503, false);
        assert!(faults.is_stuck("a") && !faults.is_stuck("b"));
        faults.forget("a");
        assert!(!faults.is_stuck("a"));
    }

    #[test]
    fn replayed_failure_makes_a_key_stuck() {
        let faults = KeyFaults::default();
        faults.count("a", 500, true);
        assert!(faults.is_stuck("a"));
    }

    #[test]
    fn number_of_keys_is_limited() {
        let faults = KeyFaults::default();
        for key in 0..2 * LARGEST {
            faults.count(&key.to_string(), 500, true);
        }
        assert!(faults.lock().len() <= LARGEST);
    }
}
