//! Bytes -> `entry::mask`: see the shared entry function.
#![no_main]

#[path = "../../crates/secret/tests/support/entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::mask(bytes));
