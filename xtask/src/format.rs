//! `cargo xtask fmt`, and the same as a check: rustfmt over every .rs file by name, because files that a
//! build script collects are no modules that `cargo fmt` could follow.

use std::process::Command;

use crate::failure::Failure;
use crate::shell;

pub(crate) fn write() -> Result<(), Failure> {
    shell::run(&mut rustfmt()?)
}

pub(crate) fn check() -> Result<(), Failure> {
    shell::run(rustfmt()?.arg("--check")).map_err(|failure| {
        Failure::new(format!("{failure}\n  files are not formatted: run `cargo xtask fmt`"))
    })
}

fn rustfmt() -> Result<Command, Failure> {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.current_dir(shell::root()).args(["--edition", "2024"]).args(shell::files("*.rs")?);
    Ok(rustfmt)
}
