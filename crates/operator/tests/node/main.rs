//! Tests: domains on a real node: scheduler, kubelet, containers and packet filter. Each attack succeeds first, without a
//! domain, and fails then, with it. A lab of this binary's own: domains, taints and policies reach everybody in a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a wrong assumption must end the test"
)]

mod apart;
mod budget;
mod ends;
mod external_secret;
#[path = "../lab/ground.rs"]
#[allow(dead_code, reason = "the tests of tier 1b use the rest")]
mod ground;
mod network;
mod stage;
mod strangers;
