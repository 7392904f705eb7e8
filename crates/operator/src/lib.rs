//! Room `operator`: what should exist (`domain`) against what is observed, to writes and status. The only room that writes
//! to a cluster; what it knows of one it has from watches, so that a look that finds nothing wrong asks nothing.
//!
//! `watches -> store -> facts -> desired -> plan -> writes, status`
#![forbid(unsafe_code)]

mod discover;
mod error;
mod facts;
mod source;
mod store;

pub use error::Error;
pub use facts::read;
