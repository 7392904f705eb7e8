//! The lab's command line, behind `cargo xtask lab`: words -> one command -> exit code.

mod bench;
mod down;
mod exec;
mod fill;
mod status;
mod up;

use std::io::Write;
use std::process::ExitCode;

use crate::assets::Sources;
use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::node;
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
  programs       list the programs of the components; builds them if need be
  packages       list the Debian packages that are missing for tier 2
  fill --namespaces N --pods N
                 write that many into the lab of this shell, with Deployments, Jobs and fake nodes
  bench [--tier 1a|1b|2]
                 start and end a lab, and print the figures

Tier 1a is etcd and API server, 1b adds controllers and scheduler, 2 a real node (root).";

/// Runs one command; says on standard error why it could not. Exit code 3: this machine lacks something;
/// 1: anything else; `exec` gives that of its command.
pub fn run(arguments: &[String]) -> ExitCode {
    match dispatch(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lab: {error}");
            ExitCode::from(if matches!(error, Error::Missing(_)) { 3 } else { 1 })
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<ExitCode> {
    match arguments {
        ["exec", rest @ ..] => exec::run(rest),
        other => plain(other).map(|()| ExitCode::SUCCESS),
    }
}

fn plain(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["up", rest @ ..] => up::run(rest),
        ["down"] => down::run(None),
        ["down", name] => down::run(Some(name)),
        ["status"] => status::text(),
        ["status", "--format", "json"] | ["status", "--format=json"] => status::json(),
        ["sweep"] => {
            let names = sweep()?;
            names.iter().try_for_each(|name| print(&format!("removed {name}")))
        }
        ["programs"] => programs(),
        ["packages"] => packages().iter().try_for_each(|package| print(package)),
        ["fill", rest @ ..] => fill::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        ["supervise", folder] => supervise(Home::at(*folder)),
        [] | ["help" | "-h" | "--help"] => print(HELP),
        unknown => {
            let unknown = unknown.join(" ");
            Err(Error::other(format!(
                "no command `{unknown}`: the commands are up, exec, down, status, sweep, programs, packages, fill, bench"
            )))
        }
    }
}

/// The programs of the components, built if need be.
fn programs() -> Result<()> {
    let programs = Sources::of_environment()?.programs()?;
    programs.paths().try_for_each(|path| print(&path.to_string_lossy()))
}

/// The Debian packages that this machine lacks for a real node.
fn packages() -> Vec<String> {
    let hints = node::lacks().into_iter().map(|(_, hint)| hint);
    let mut packages: Vec<String> =
        hints.filter_map(|hint| Some(hint.strip_prefix("install Debian package ")?.to_owned())).collect();
    packages.sort();
    packages.dedup();
    packages
}

/// A line on standard output.
fn print(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(Error::io("standard output"))
}
