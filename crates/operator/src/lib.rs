//! Room `operator`: desired and observed objects in, writes and status out; files of SecurityDomains in, domains out. The
//! only room that writes to a cluster.
//!
//! `cluster -> facts -> desired -> drift -> write -> status`
#![forbid(unsafe_code)]

mod manifest;

pub use manifest::Fault;
pub use manifest::Manifest;
pub use manifest::read_manifest;
