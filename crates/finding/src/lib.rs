//! Room `finding`.
