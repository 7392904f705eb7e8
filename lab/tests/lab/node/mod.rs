//! Tier 2: pods that run, packets that are refused, and a host that keeps nothing of it.

mod disturbed;
mod guide;
mod host;
mod policy;
mod shapes;
mod stand_ins;
mod workload;
