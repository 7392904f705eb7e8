//! `lab down`: ends a lab and waits until nothing of it is left.

use std::time::Duration;

use crate::control::Request;
use crate::control::ask;
use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::home::SUPERVISOR;
use crate::home::read_json;
use crate::process::ProcessId;
use crate::sweep::Care;
use crate::sweep::care;
use crate::sweep::clear;

/// The whole stop order with each of its patiences.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn run(name: Option<&str>) -> Result<()> {
    let home = choose(name)?;
    if care(&home) == Care::LeftBehind {
        return clear(&home);
    }
    let supervisor: ProcessId = read_json(&home.record(SUPERVISOR))?;
    ask(&home, Request::Stop, PATIENCE)?;
    if supervisor.gone_within(Duration::from_secs(10)) {
        return Ok(());
    }
    Err(Error::other(format!("the supervisor of {} answered and did not end", home.name())))
}

/// The lab of this name; else the one of this shell; else the only one.
fn choose(name: Option<&str>) -> Result<Home> {
    let labs = Home::all()?;
    let names = || labs.iter().map(Home::name).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        let named = labs.iter().find(|home| home.name() == name);
        return named
            .cloned()
            .ok_or_else(|| Error::other(format!("no lab `{name}`; there are: {}", names())));
    }
    let of_shell = std::env::var_os("RINGFENCE_LAB").map(Home::at);
    match (of_shell.filter(|home| labs.contains(home)), labs.as_slice()) {
        (Some(home), _) => Ok(home),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(Error::other("no lab runs")),
        (None, _) => Err(Error::other(format!("several labs, name one: {}", names()))),
    }
}
