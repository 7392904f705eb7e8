//! Room `inventory`.
