//! Room `operator`: desired and observed objects in, writes and status out; files of SecurityDomains in, domains out. The
//! only room that writes to a cluster; what the controller knows of one it has from watches, so that a look that finds
//! nothing wrong asks nothing.
//!
//! `watches -> store -> facts -> desired -> plan -> writes, status`
#![forbid(unsafe_code)]

mod act;
mod control;
mod discover;
mod error;
mod event;
mod evict;
mod facts;
mod foreign;
mod inventory;
mod lease;
mod ledger;
mod look;
mod manifest;
mod metrics;
mod node;
mod observe;
mod own;
mod plan;
mod policy;
mod prune;
mod removal;
mod run;
mod serve;
mod simulating;
mod simulation;
mod source;
mod status;
mod store;
mod watch;

pub use error::Error;
pub use facts::read;
pub use look::fenced;
pub use manifest::Fault;
pub use manifest::Manifest;
pub use manifest::read_manifest;
pub use observe::Effect;
pub use observe::Observed;
pub use observe::observe;
pub use run::Config;
pub use run::Explain;
pub use run::run;
pub use simulation::Simulated;
pub use simulation::simulate;
pub use simulation::simulate_manifests;
pub use simulation::simulation_reads;
