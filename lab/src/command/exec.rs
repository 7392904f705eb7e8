//! `lab exec`: runs a command in the environment of a lab that ends with it, also when this program is killed.

use std::process::Command;
use std::time::Duration;

use crate::command::up::options;
use crate::control::Request;
use crate::control::ask;
use crate::error::Error;
use crate::error::Result;
use crate::launch::launch;

pub(super) fn run(words: &[&str]) -> Result<()> {
    let parts = words.iter().position(|word| *word == "--").map(|place| words.split_at(place));
    let Some((flags, [_, program, arguments @ ..])) = parts else {
        return Err(Error::other("exec needs a command: exec [--tier TIER] -- COMMAND..."));
    };
    let launched = launch(&options(flags)?, true)?;
    let home = &launched.home;
    let mut path = vec![home.bin()];
    path.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let path = std::env::join_paths(path).map_err(Error::while_("PATH"))?;
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", path);
    command.env("RINGFENCE_LAB", home.path()).env("KUBECONFIG", home.kubeconfig("admin"));
    let status = command.status().map_err(Error::io(program));
    ask(home, Request::Stop, Duration::from_secs(90))?;
    let status = status?;
    if status.success() { Ok(()) } else { Err(Error::other(format!("{program}: {status}"))) }
}
