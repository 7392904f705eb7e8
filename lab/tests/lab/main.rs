//! The lab proves itself, and on it the facts about Kubernetes that the product rests on. One binary: each
//! test process that is not given a lab starts one of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests end at the first surprise")]

mod cluster;
mod facts;
mod life;
mod node;
mod place;
mod programs;
mod skips;
mod trouble;
