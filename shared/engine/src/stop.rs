//! A request to stop: what is in flight is finished and committed, nothing new is started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by everything that works on one run. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    own: Arc<AtomicBool>,
    parent: Option<Arc<AtomicBool>>,
}

impl StopSignal {
    /// A signal that nobody has given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everyone who holds this signal to stop.
    pub fn stop(&self) {
        self.own.store(true, Ordering::SeqCst);
    }

    /// True once somebody asked to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let set = |flag: &Arc<AtomicBool>| flag.load(Ordering::SeqCst);
        set(&self.own) || self.parent.as_ref().is_some_and(set)
    }

    /// A signal that stops with this one, and can be stopped without stopping this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            own: Arc::default(),
            parent: Some(self.own.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stops_with_its_parent_and_alone() {
        let parent = StopSignal::new();
        let (first, second) = (parent.child(), parent.child());
        first.stop();
        assert!(first.is_stopped() && !second.is_stopped() && !parent.is_stopped());
        parent.stop();
        assert!(second.is_stopped());
    }
}
