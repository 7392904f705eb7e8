//! Bytes -> `entry::saved`: see the shared entry functions.
#![no_main]

#[path = "../../crates/inventory/tests/support/entry.rs"]
#[allow(dead_code)]
mod entry;
#[path = "../../crates/inventory/tests/support/tree.rs"]
#[allow(dead_code)]
mod tree;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::saved(bytes));
