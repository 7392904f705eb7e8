//! bytes -> sniff -> format::X -> facts -> Verdict
//!
//! Room `model`: files enter, a verdict for each leaves: can it run code when it is loaded? It knows no network, no
//! Python and no Kubernetes, and it never asks what is installed on the host: the same bytes and the same policy give
//! the same report everywhere.
//!
//! *Clean* means that every byte was explained and that every name a loader would look up is allowed for its use. What
//! is not known is *review*, what was not read is *incomplete*.
//!
//! Patterns in raw bytes were rejected: they find nothing that an attacker hides and find ghosts in tensors.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod container;
mod file;
mod format;
mod hidden;
mod inspect;
mod json;
mod keys;
mod limits;
mod line;
mod pickle;
mod policy;
mod queue;
mod repository;
mod results;
mod scan;
mod sniff;
#[cfg(test)]
mod testing;
mod threat;
mod walk;

pub use file::judge;
pub use inspect::Wish;
pub use inspect::inspect;
pub use limits::Limits;
pub use line::Tell;
pub use pickle::facts::ParseUseError;
pub use pickle::facts::Use;
pub use policy::Addition;
pub use policy::Date;
pub use policy::MOST_DAYS;
pub use policy::Policy;
pub use policy::PolicyError;
pub use policy::Wanted;
pub use policy::wanted;
pub use scan::scan;
pub use scan::scan_with;
pub use threat::THREATS;
pub use threat::Threat;
