//! Bytes -> `entry::timestamp`: see the shared entry function.
#![no_main]

#[path = "../../crates/attest/tests/support/entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::timestamp(bytes));
