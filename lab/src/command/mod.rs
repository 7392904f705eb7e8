//! The lab's command line, behind `cargo xtask lab`: words -> one command -> exit code.

mod bench;
mod down;
mod exec;
mod status;
mod up;

use std::io::Write;
use std::process::ExitCode;

use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::supervisor::supervise;
use crate::sweep::sweep;

const HELP: &str = "\
A real Kubernetes for tests.

  up [--tier 1a|1b|2] [--fake-node NAME=GPUS]...
                 start a lab that stays, and print what to eval in a shell
  exec [--tier 1a|1b|2] [--fake-node NAME=GPUS]... -- COMMAND...
                 run a command with a lab that ends with it
  down [NAME]    end it; the name may be left out where there is one lab
  status [--format json]
                 list the labs of this user, with what they use
  sweep          remove what killed labs left behind
  bench          start and end a lab, and print the figures

Tier 1a is etcd and API server, 1b adds controllers and scheduler, 2 a real node (root).";

/// Runs one command; says on standard error why it could not.
pub fn run(arguments: &[String]) -> ExitCode {
    match dispatch(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["up", rest @ ..] => up::run(rest),
        ["exec", rest @ ..] => exec::run(rest),
        ["down"] => down::run(None),
        ["down", name] => down::run(Some(name)),
        ["status"] => status::text(),
        ["status", "--format", "json"] | ["status", "--format=json"] => status::json(),
        ["sweep"] => {
            let names = sweep()?;
            names.iter().try_for_each(|name| print(&format!("removed {name}")))
        }
        ["bench"] => bench::run(),
        ["supervise", folder] => supervise(Home::at(*folder)),
        [] | ["help" | "-h" | "--help"] => print(HELP),
        unknown => {
            let unknown = unknown.join(" ");
            Err(Error::other(format!(
                "no command `{unknown}`: the commands are up, exec, down, status, sweep, bench"
            )))
        }
    }
}

/// A line on standard output.
fn print(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(Error::io("standard output"))
}
