//! Room `model`, containers: bytes -> members, each a source of its own.

pub(crate) mod inflate;
pub(crate) mod zip;
