//! The binary: arguments in, exit code out. Every command is a file of its own; no domain word is defined here.
#![forbid(unsafe_code)]

mod cli;
mod command;
#[cfg(feature = "models")]
mod config;
mod exit;
mod nearest;
mod output;
mod progress;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    exit::quiet_panics();
    #[cfg(feature = "signing")]
    exit::limits_are_errors();
    let name = std::env::args_os().next();
    match cli::parse(name.as_deref(), std::env::args_os()) {
        Ok(command) => exit::finish(command.run()),
        Err(error) => exit::usage(&error),
    }
}
