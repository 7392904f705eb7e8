//! Bytes -> `entry::prices`: see the shared entry function.
#![no_main]

#[path = "../../crates/controls/tests/support/entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::prices(bytes));
