//! Reads that run in the background. Lambda freezes a sandbox after a response, and a frozen read
//! would fail.

use std::time::Duration;

use tokio::{
    sync::{RwLock, RwLockReadGuard},
    time::timeout,
};

/// Each read in the background holds a shared lock.
static READS: RwLock<()> = RwLock::const_new(());

/// Marks a read as running until the guard is dropped; `None` while [`finish_reads`] waits.
pub(crate) fn begin_read() -> Option<RwLockReadGuard<'static, ()>> {
    READS.try_read().ok()
}

/// Waits until no read is running in the background, at most for `limit`.
pub async fn finish_reads(limit: Duration) {
    // A read that takes longer continues during the next call.
    let _ = timeout(limit, READS.write()).await;
}
