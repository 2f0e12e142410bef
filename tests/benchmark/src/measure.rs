//! CPU time and memory, as the kernel counts them.

use std::fs;
use std::time::Duration;

use crate::Failure;

/// Milliseconds per clock tick; Linux reports 100 ticks a second on every architecture.
const TICK_MS: u64 = 10;

/// CPU time of this process until now, user and system.
pub(crate) fn own_cpu() -> Result<Duration, Failure> {
    ticks("/proc/self/stat", 14)
}

/// CPU time of all children that have ended and were waited for.
pub(crate) fn children_cpu() -> Result<Duration, Failure> {
    ticks("/proc/self/stat", 16)
}

/// Field `first` and the one behind it, counted from 1 as in proc(5).
fn ticks(path: &str, first: usize) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(path)?;
    // The name of the program may hold blanks; it is field 2 and ends with a bracket.
    let rest = stat.rsplit_once(')').ok_or("no process name")?.1;
    let fields = rest.split_whitespace().skip(first - 3).take(2);
    let mut sum = 0;
    for field in fields {
        sum += field.parse::<u64>()?;
    }
    Ok(Duration::from_millis(sum * TICK_MS))
}

/// Most memory that a process ever held, in KiB; `None` when it is gone.
pub(crate) fn peak_memory(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted() {
        let before = own_cpu().unwrap();
        let mut sum = 0_u64;
        while own_cpu().unwrap() < before + Duration::from_millis(30) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        assert!(children_cpu().is_ok());
        assert!(peak_memory("self").unwrap() > 500);
        assert_eq!(peak_memory("0"), None);
    }
}
