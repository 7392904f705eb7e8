//! Bytes -> `entry::inspect`, from the corpora of all models: see the shared entry function.
#![no_main]

#[path = "../../crates/model/tests/support/entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::inspect(bytes));
