//! Starts a simulated tenant on loopback and keeps it running.
fn main() {}
