//! The randomness of the machine.

use mailkeep_ports::Rng;

/// The operating system's random number generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    /// Ends the process when the operating system has no randomness: every key and nonce hangs on
    /// it, and there is no safe way to go on.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the adapter behind ports::Rng"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            std::process::abort();
        }
    }
}
