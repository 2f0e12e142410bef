//! Rules about the source tree, held by tests.
