//! Room `secret`.
