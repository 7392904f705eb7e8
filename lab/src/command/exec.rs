//! `lab exec`: runs a command in the environment of a lab that ends with it, also when this program is killed.

use std::process::Command;
use std::process::ExitCode;
use std::time::Duration;

use crate::command::up::options;
use crate::control::Request;
use crate::control::ask;
use crate::error::Error;
use crate::error::Result;
use crate::launch::launch;

/// Gives the exit code of the command. The tier of the lab is one that its tests may not skip.
pub(super) fn run(words: &[&str]) -> Result<ExitCode> {
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
    if std::env::var_os("RINGFENCE_REQUIRE_TIER").is_none() {
        command.env("RINGFENCE_REQUIRE_TIER", launched.published.tier.name());
    }
    let status = command.status().map_err(Error::io(program));
    ask(home, Request::Stop, Duration::from_secs(90))?;
    // A signal has no code; a shell gives 128 and more.
    let code = status?.code().map_or(Some(128), |code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
