//! Processes that are ours beyond doubt: a record of process id, start time and boot -> signals that
//! reach that process and no other, its memory and its CPU time.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::Signal;
use rustix::process::pidfd_open;
use rustix::process::pidfd_send_signal;
use serde::Deserialize;
use serde::Serialize;

use crate::error::Error;
use crate::error::Result;

/// Set in the environment of every process of a lab, its value the lab's name.
pub(crate) const MARKER: &str = "RINGFENCE_LAB_MEMBER";

/// Clock ticks per second in /proc; fixed for every architecture that Linux still supports.
const TICKS: f64 = 100.0;

/// A process that was running when this was made. A process id is reused; together with start time and
/// boot it is not.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct ProcessId {
    /// Process id.
    pub pid: i32,
    /// Clock ticks between boot and start.
    pub start: u64,
    /// The kernel's name of this boot.
    pub boot: String,
}

impl ProcessId {
    /// The process that has this id now; `None` if there is none.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let start = Stat::of(pid)?.start;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self { pid, start, boot: boot.trim().to_owned() })
    }

    /// This process.
    pub(crate) fn own() -> Result<Self> {
        let pid = i32::try_from(std::process::id()).map_err(Error::while_("own process id"))?;
        Self::of(pid).ok_or_else(|| Error::other("/proc does not show this process: is it mounted?"))
    }

    /// Whether it still runs. One that ended and was not yet waited for does not.
    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self) && Stat::of(self.pid).is_some_and(|stat| stat.state != 'Z')
    }

    /// Sends a signal; a process that is gone is no error.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        // The descriptor holds the process; only then its start time is compared: no other can get in.
        let Some(descriptor) = self.hold()? else { return Ok(()) };
        match pidfd_send_signal(descriptor, signal) {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(Error::io(format!("signal to process {}", self.pid))(error.into())),
        }
    }

    /// Waits until it is gone.
    pub(crate) fn gone_within(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        while self.is_alive() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    fn hold(&self) -> Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => Ok((Self::of(self.pid).as_ref() == Some(self)).then_some(descriptor)),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(Error::io(format!("process {}", self.pid))(error.into())),
        }
    }
}

/// Every process whose environment says that it belongs to this lab, this one left out. Finds what was
/// started and not yet recorded when its supervisor was killed. Only processes that this user may look
/// into are seen: those of a lab are.
pub(crate) fn members(lab: &str) -> io::Result<Vec<ProcessId>> {
    let wanted = format!("{MARKER}={lab}");
    let own = i64::from(std::process::id());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        if i64::from(pid) != own && environment.split(|byte| *byte == 0).any(|line| line == wanted.as_bytes())
        {
            found.extend(ProcessId::of(pid));
        }
    }
    Ok(found)
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Usage {
    /// Seconds on a CPU, user and system.
    pub cpu_seconds: f64,
    /// Resident memory now, bytes.
    pub resident: u64,
    /// Most resident memory so far, bytes.
    pub peak: u64,
}

impl Usage {
    /// Of a process that runs; `None` if it does not.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let bytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
        };
        Some(Self {
            cpu_seconds: Stat::of(pid)?.own_ticks / TICKS,
            resident: bytes("VmRSS:").unwrap_or_default(),
            peak: bytes("VmHWM:").unwrap_or_default(),
        })
    }
}

/// CPU-seconds of the children that this process has waited for, and of theirs.
pub(crate) fn children_cpu_seconds() -> f64 {
    let own = i32::try_from(std::process::id()).ok().and_then(Stat::of);
    own.map_or(0.0, |stat| stat.children_ticks / TICKS)
}

/// The fields of /proc/PID/stat that are used here (proc_pid_stat(5)).
struct Stat {
    state: char,
    own_ticks: f64,
    children_ticks: f64,
    start: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::read(&fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?)
    }

    /// The second field is the program's name in parentheses and may hold anything, parentheses too.
    fn read(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "ticks of a process stay far below 2^52")]
        let ticks = |first: usize| Some((number(first)? + number(first + 1)?) as f64);
        Some(Self {
            state: fields.first()?.chars().next()?,
            own_ticks: ticks(14)?,
            children_ticks: ticks(16)?,
            start: number(22)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::process::Stdio;

    use super::*;
    use crate::until;

    #[test]
    fn reads_a_name_that_looks_like_the_rest_of_the_line() {
        let line = "7 (a) S 1) R 1 7 7 0 -1 4194304 5 6 7 8 250 50 30 20 20 0 1 0 4711 1000 200";
        let stat = Stat::read(line).unwrap();
        assert_eq!((stat.state, stat.start), ('R', 4711));
        assert!((stat.own_ticks - 300.0).abs() < 0.1 && (stat.children_ticks - 50.0).abs() < 0.1);
        assert!(Stat::read("").is_none() && Stat::read("7 (a) S 1").is_none());
    }

    #[test]
    fn ends_the_process_it_knows_and_no_later_one_with_its_id() {
        let mut sleep = Command::new("sleep");
        let mut child = sleep.arg("60").env(MARKER, "rf-test").stdout(Stdio::null()).spawn().unwrap();
        let known = ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(known.is_alive());
        // Its environment is there a moment after the process is.
        let seen = || (members("rf-test").unwrap() == [known.clone()]).then_some(());
        until("the member", Duration::from_secs(10), seen);
        let other = ProcessId { start: known.start + 1, ..known.clone() };
        assert!(!other.is_alive());
        other.signal(Signal::KILL).unwrap();
        assert!(known.is_alive());
        let before = ProcessId { boot: "another".into(), ..known.clone() };
        assert!(!before.is_alive());
        known.signal(Signal::KILL).unwrap();
        assert!(known.gone_within(Duration::from_secs(5)));
        child.wait().unwrap();
        known.signal(Signal::KILL).unwrap();
    }

    #[test]
    fn sees_its_own_memory() {
        let usage = Usage::of(ProcessId::own().unwrap().pid).unwrap();
        assert!(usage.resident > 100_000 && usage.peak >= usage.resident, "{usage:?}");
    }
}
