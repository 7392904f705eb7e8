//! Labs that were left behind: a supervisor that was killed -> its processes, namespace, mounts and cgroups
//! by record, then the folder. A lab that is alive, or just starting, is not touched.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::home::STARTER;
use crate::home::SUPERVISOR;
use crate::home::read_json;
use crate::lab::Spec;
use crate::node;
use crate::process::ProcessId;
use crate::process::members;
use crate::tier::Tier;

/// Whether somebody still looks after a lab.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Care {
    /// Its supervisor runs, or who starts it does.
    Alive,
    /// Nobody.
    LeftBehind,
}

/// Says whether somebody looks after this lab.
pub(crate) fn care(home: &Home) -> Care {
    let runs = |name: &str| {
        let record: Result<ProcessId> = read_json(&home.record(name));
        record.is_ok_and(|process| process.is_alive())
    };
    // In this order: the supervisor writes its own record before it removes the other.
    if runs(STARTER) || runs(SUPERVISOR) { Care::Alive } else { Care::LeftBehind }
}

/// Removes the labs of this user that were left behind; gives their names.
pub(crate) fn sweep() -> Result<Vec<String>> {
    let left_behind = Home::all()?.into_iter().filter(|home| care(home) == Care::LeftBehind);
    left_behind.map(|home| clear(&home).map(|()| home.name())).collect()
}

/// Ends every process of a lab and removes everything that it made.
pub(crate) fn clear(home: &Home) -> Result<()> {
    let after = Duration::from_secs(10);
    let mut processes = recorded(home)?;
    loop {
        for process in &processes {
            process.signal(Signal::KILL)?;
        }
        if let Some(process) = processes.iter().find(|process| !process.gone_within(after)) {
            return Err(Error::Deadline { what: format!("end of process {}", process.pid), after });
        }
        // Those that were not on record yet, and what they have started meanwhile.
        processes = members(&home.name()).map_err(Error::io("/proc"))?;
        if processes.is_empty() {
            break;
        }
    }
    // Without a readable specification it may have been any tier.
    if Spec::read(home).map_or(true, |spec| spec.tier == Tier::Node) {
        node::wipe(home)?;
    }
    home.remove()
}

/// The processes on record.
fn recorded(home: &Home) -> Result<Vec<ProcessId>> {
    let folder = home.run();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::at(&folder))?,
    };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let records = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    Ok(records.filter_map(|path| read_json(&path).ok()).collect())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::process::Stdio;

    use super::*;
    use crate::home::Temporary;
    use crate::home::write_json;
    use crate::process::MARKER;

    fn sleep() -> Command {
        let mut sleep = Command::new("sleep");
        sleep.arg("60").stdout(Stdio::null());
        sleep
    }

    #[test]
    fn clears_what_is_on_record_and_what_was_not_yet() {
        let home = Temporary::new();
        let mut recorded = sleep().spawn().unwrap();
        let mut unrecorded = sleep().env(MARKER, home.name()).spawn().unwrap();
        let id = ProcessId::of(i32::try_from(recorded.id()).unwrap()).unwrap();
        write_json(&home.record("etcd"), &id).unwrap();
        fs::remove_file(home.record(STARTER)).unwrap(); // this process
        let reaped = std::thread::spawn(move || (recorded.wait().unwrap(), unrecorded.wait().unwrap()));
        clear(&home).unwrap();
        let (one, two) = reaped.join().unwrap();
        assert!(!one.success() && !two.success());
        assert!(!home.path().try_exists().unwrap());
    }

    #[test]
    fn a_lab_that_starts_is_not_left_behind() {
        let home = Temporary::new();
        assert_eq!(care(&home), Care::Alive);
        let gone = ProcessId { boot: "another".into(), ..ProcessId::own().unwrap() };
        write_json(&home.record(STARTER), &gone).unwrap();
        assert_eq!(care(&home), Care::LeftBehind);
        write_json(&home.record(SUPERVISOR), &ProcessId::own().unwrap()).unwrap();
        assert_eq!(care(&home), Care::Alive);
    }
}
