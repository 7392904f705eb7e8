//! bytes -> literal -> anchored shape -> boundary -> entropy -> allow list -> `KeyHit`; text -> masked text
//!
//! Room `secret`: foreign bytes enter, key hits and masked text leave. It knows no cluster, no file and no
//! output format, reads no clock and no environment. A key's value never leaves it: a hit carries the place,
//! six characters and a salted tag. A saved text keeps a mark in the place of a key, which is found as the key is.
//!
//! Detection asks for the *shape of the value*; rules that look at variable names alone reached about 56 %
//! precision on real manifests. Redaction is the opposite trade: it also masks by name, and when in doubt.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod allow;
mod detector;
mod engine;
mod hit;
mod marker;
pub mod redact;

pub mod synthetic;

pub use engine::Engine;
pub use hit::KeyHit;
pub use hit::Redacted;
pub use hit::SecretTag;
pub use redact::MASK;
pub use redact::Redactor;
