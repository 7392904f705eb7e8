//! Tests of tier 2: pods that run, packets that are refused, and a host that keeps nothing of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod policy;
mod support;
