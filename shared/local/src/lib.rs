//! Adapters for one machine: folder store, system clock and randomness, secrets.
