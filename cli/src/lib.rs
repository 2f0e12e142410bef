//! The mailkeep command line.
