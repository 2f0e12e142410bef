//! Benchmarks of engine and vault, with ratios against other tools.
