//! `cargo xtask bench pickles COUNT`: random pickles, and CPython as the judge of the names that they look up. What
//! `cargo xtask test` does for twenty seconds, as long as it takes.

use crate::failure::Failure;
use crate::shell;

/// The test that is run, optimised: it prints how far it is, and every name that was missed with its seed.
const TEST: &str = "testing::differential::no_name_that_cpython_looks_up_is_missed";

pub(super) fn run(count: &str, seed: &str) -> Result<(), Failure> {
    for (word, number) in [("COUNT", count), ("SEED", seed)] {
        number.parse::<u64>().map_err(Failure::while_(format!("{word} {number}")))?;
    }
    println!(
        "{}, {}",
        super::setting(&format!("cargo xtask bench pickles --from {seed} {count}")),
        python()?
    );
    let mut cargo = shell::cargo(["test", "--quiet", "--release", "--package", "ringfence-model", "--lib"]);
    cargo.args(["--", "--ignored", "--exact", "--nocapture", TEST]);
    shell::run(cargo.env("RINGFENCE_PICKLES", count).env("RINGFENCE_PICKLES_FROM", seed))
}

fn python() -> Result<String, Failure> {
    let version = shell::output(std::process::Command::new("python3").arg("--version"))?;
    Ok(version.trim().to_owned())
}
