//! A simulated Microsoft 365 tenant, stricter than the real one.
