//! Keeps the updates of one order below Temporal's limit.
//!
//! The server allows ten updates in flight for a workflow. One more does not only fail: the server drops
//! the workflow's state from its cache, which aborts all other updates of the order. So a burst of
//! updates waits here, in the order of arrival.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use domain::OrderId;

/// The number of updates in flight. Five can wait for their order's decision; with three more, a cancel
/// does not wait behind them. Two are left to other processes.
const LIMIT: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<BTreeMap<OrderId, Weak<Semaphore>>>);

impl InFlight {
    /// Waits until the order has fewer updates in flight than the limit. Returns `None` if it still has
    /// as many at `until`.
    pub(crate) async fn enter(
        &self,
        order_id: &OrderId,
        until: Instant,
    ) -> Option<OwnedSemaphorePermit> {
        let permit = self.semaphore(order_id).acquire_owned();
        tokio::time::timeout_at(until.into(), permit)
            .await
            .ok()?
            .ok()
    }

    fn semaphore(&self, order_id: &OrderId) -> Arc<Semaphore> {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        orders.retain(|_, semaphore| semaphore.strong_count() > 0);
        if let Some(semaphore) = orders.get(order_id).and_then(Weak::upgrade) {
            return semaphore;
        }
        let semaphore = Arc::new(Semaphore::new(LIMIT));
        orders.insert(order_id.clone(), Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn updates_beyond_limit_wait() {
        let in_flight = InFlight::default();
        let [order, other] = ["order", "other"].map(|id| OrderId::parse(id).unwrap());
        let mut permits = Vec::new();
        for _ in 0..LIMIT {
            permits.push(in_flight.enter(&order, Instant::now()).await.unwrap());
        }
        assert!(in_flight.enter(&order, Instant::now()).await.is_none());
        assert!(in_flight.enter(&other, Instant::now()).await.is_some());
        permits.pop();
        assert!(in_flight.enter(&order, Instant::now()).await.is_some());
        // An order without updates in flight takes no memory.
        drop(permits);
        in_flight.semaphore(&other);
        assert_eq!(in_flight.0.lock().unwrap().len(), 1);
    }
}
