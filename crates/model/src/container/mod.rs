//! Room `model`, containers: bytes -> members, each a source of its own.

pub(crate) mod decoded;
pub(crate) mod odd;
pub(crate) mod stream;
pub(crate) mod tar;
pub(crate) mod zip;
