//! The native policies on a real API server: a lab of this binary's own, since policies reach every namespace. Applied is
//! exactly what is rendered, by the identity that the controller has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a wrong assumption must end the test"
)]

mod apart;
mod drift;
mod labels;
mod mutation;
mod network;
mod pods;
mod predict;
mod security;
mod services;
mod twins;
mod workloads;
mod world;
