//! The lab's own commands, behind `cargo xtask lab`.

fn main() {}
