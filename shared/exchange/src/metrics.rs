//! Counting, per mailbox.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::SourceMetrics;

/// Counters of one mailbox.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    throttles: AtomicU64,
    retries: AtomicU64,
    bytes_received: AtomicU64,
}

impl Counters {
    /// One HTTP request more.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// One answer more that asked us to wait.
    pub(crate) fn throttle(&self) {
        self.throttles.fetch_add(1, Ordering::Relaxed);
    }

    /// One attempt more after a first one.
    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Body bytes came in.
    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_received
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The numbers now.
    pub(crate) fn read(&self) -> SourceMetrics {
        SourceMetrics {
            requests: self.requests.load(Ordering::Relaxed),
            throttles: self.throttles.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        }
    }
}
