//! The end of what a hook says.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mailkeep_ports::hook::MAX_HOOK_OUTPUT;
use mailkeep_ports::{HookFault, HookReport};

/// Keeps the end of a text of any length in bounded memory.
#[derive(Default)]
pub(super) struct Tail(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    dropped: u64,
}

impl Tail {
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut kept = self.lock();
        kept.bytes.extend_from_slice(bytes);
        // Cut seldom, so that little is moved.
        if kept.bytes.len() > 2 * MAX_HOOK_OUTPUT {
            kept.cut(MAX_HOOK_OUTPUT);
        }
    }

    pub(super) fn report(&self, fault: Option<HookFault>) -> HookReport {
        let mut kept = self.lock();
        kept.cut(MAX_HOOK_OUTPUT);
        let mut output = String::from_utf8_lossy(&kept.bytes).into_owned();
        // What is no text takes more room as text.
        while output.len() > MAX_HOOK_OUTPUT {
            let surplus = output.len() - MAX_HOOK_OUTPUT;
            let end = output
                .char_indices()
                .map(|(at, _)| at)
                .find(|at| *at >= surplus);
            output.drain(..end.unwrap_or(output.len()));
        }
        HookReport {
            fault,
            output,
            dropped_bytes: kept.dropped,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn cut(&mut self, limit: usize) {
        let surplus = self.bytes.len().saturating_sub(limit);
        self.bytes.drain(..surplus);
        self.dropped += u64::try_from(surplus).unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_the_rest_counted() {
        let tail = Tail::default();
        for _ in 0..100_000 {
            tail.push(b"0123456789");
        }
        tail.push("\u{e4}the end".as_bytes());
        let report = tail.report(None);
        assert!(report.output.ends_with("9\u{e4}the end"));
        assert_eq!(report.output.len(), MAX_HOOK_OUTPUT);
        assert_eq!(report.dropped_bytes, 1_000_009 - 16_384);
    }

    #[test]
    fn what_is_no_text_stays_within_the_bound() {
        let tail = Tail::default();
        tail.push(&[0xff; 3 * MAX_HOOK_OUTPUT]);
        let report = tail.report(None);
        assert!(report.output.len() <= MAX_HOOK_OUTPUT && !report.output.is_empty());
    }
}
