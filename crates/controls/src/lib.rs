//! Room `controls`.
