//! The live source against a server that misbehaves in every way a test can think of: never a hang, never a panic, never
//! a part that is called whole. What a real API server does is shown in `tests/live.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends here")]

mod answers;
mod lists;
mod login;
mod plugin;
mod server;
