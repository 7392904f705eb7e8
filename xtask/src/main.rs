//! Room `xtask`: the project's own tasks. It uses std and `serde_json` and none of our crates, so that
//! `cargo xtask test` compiles in seconds, before anything is installed.
//!
//! arguments -> one task -> exit code
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task runner talks to the terminal")]

#[cfg(test)]
mod arrows;
mod bench;
mod check;
mod cosign;
mod failure;
mod format;
mod generate;
mod help;
mod lab;
mod libtest;
mod shell;
mod test;
mod tools;

use std::process::ExitCode;

use failure::Failure;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_said() {
                eprintln!("xtask: {failure}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Failure> {
    match arguments {
        ["gen"] => generate::run(),
        ["fmt"] => format::write(),
        ["check"] => check::run(),
        ["test"] => test::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["install", "cosign"] => cosign::install(),
        ["lab", rest @ ..] => lab::run(rest),
        [] | ["help" | "-h" | "--help"] => help::run(),
        unknown => Err(Failure::new(format!(
            "no task `{}`: the tasks are gen, fmt, check, test, lab, bench, install cosign, help",
            unknown.join(" ")
        ))),
    }
}
