//! Bytes -> `entry::configuration`, from a corpus of what stands beside weights: see the shared entry function.
#![no_main]

#[path = "../../crates/model/tests/support/entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::configuration(bytes));
