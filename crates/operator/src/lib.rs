//! Room `operator`: desired and observed objects in, writes and status out; files of SecurityDomains in, domains out. The
//! only room that writes to a cluster.
//!
//! `cluster -> facts -> desired -> drift -> write -> status`
#![forbid(unsafe_code)]

mod manifest;
mod observe;

pub use manifest::Fault;
pub use manifest::Manifest;
pub use manifest::read_manifest;
pub use observe::Effect;
pub use observe::Observed;
pub use observe::exists;
pub use observe::observe;
