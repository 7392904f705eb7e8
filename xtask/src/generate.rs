//! `cargo xtask gen`: writes the generated files. Each has an owner, a test whose name contains
//! `generated_`: it compares the committed file with what the code gives, or writes it under `UPDATE=1`.

use std::process::Command;

use crate::failure::Failure;
use crate::shell;

pub(crate) fn run() -> Result<(), Failure> {
    shell::run(owners().env("UPDATE", "1"))?;
    println!("gen: generated files are written; `git status` shows which changed");
    Ok(())
}

pub(crate) fn check() -> Result<(), Failure> {
    shell::run(&mut owners()).map_err(|failure| {
        Failure::new(format!("{failure}\n  a generated file is stale: run `cargo xtask gen` and commit it"))
    })
}

/// The whole workspace, not the owners by name: no second list, and the same features as `cargo test
/// --workspace`, so nothing is compiled twice.
fn owners() -> Command {
    shell::cargo(["test", "--quiet", "--workspace", "--exclude", "xtask", "--tests", "generated_"])
}
