//! Bytes -> `entry::settings`: see the shared entry function. The room is a program, so that its reader of `ringfence.yaml` is
//! taken by its path.
#![no_main]

#[path = "../../crates/ringfence/tests/support/entry.rs"]
mod entry;
#[path = "../../crates/ringfence/src/config/keys.rs"]
mod keys;
#[path = "../../crates/ringfence/src/nearest.rs"]
mod nearest;
#[path = "../../crates/ringfence/src/config/read.rs"]
#[allow(dead_code)]
mod read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::settings(bytes));
