//! `cargo xtask bench build`: CPU-seconds of a cold release build of the binary that reads files, compilers included.

use std::path::Path;

use super::Bar;
use super::measure;
use crate::failure::Failure;
use crate::shell;

pub(super) fn run() -> Result<(), Failure> {
    shell::run(&mut shell::cargo(["fetch", "--quiet", "--locked"]))?; // downloads are not part of the figure
    let target = super::folder("build")?;
    let target_text = target.to_string_lossy();
    let arguments = [
        "build",
        "--release",
        "--locked",
        "--package",
        "ringfence",
        "--no-default-features",
        "--target-dir",
        &target_text,
    ];
    let plain = [("RUSTC_WRAPPER", ""), ("CARGO_INCREMENTAL", "0")];
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let cost = measure::cost(Path::new(&cargo), &arguments, &plain, &[0])?;
    std::fs::remove_dir_all(&target).map_err(Failure::while_(target.display()))?;
    println!("{}:\n", super::setting("cargo xtask bench build"));
    super::print_bars(&[Bar {
        figure: "cold release build, without the Kubernetes client",
        promise: "at most 200 CPU-s",
        measured: format!("{:.0} CPU-s", cost.cpu_seconds),
        holds: cost.cpu_seconds <= 200.0,
    }])
}
