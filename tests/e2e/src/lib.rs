//! End-to-end scenarios: the real engine against the simulated tenant over HTTP.
