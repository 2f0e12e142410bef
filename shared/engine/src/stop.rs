//! A request to stop: what is in flight is finished and committed, nothing new is started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by everything that works on one run. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    own: Arc<AtomicBool>,
    parent: Option<Arc<Self>>,
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
        let parent = self.parent.as_ref();
        self.own.load(Ordering::SeqCst) || parent.is_some_and(|parent| parent.is_stopped())
    }

    /// A signal that stops with this one, and can be stopped without stopping this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            own: Arc::default(),
            parent: Some(Arc::new(self.clone())),
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

    #[test]
    fn a_signal_reaches_the_children_of_children_at_once() {
        let parent = StopSignal::new();
        let grandchild = parent.child().child();
        assert!(!grandchild.is_stopped());
        parent.stop();
        assert!(grandchild.is_stopped());
    }
}
