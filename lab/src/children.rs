//! The supervisor's children: a command -> a process in a group of its own, its output in a log, its id on
//! record; ended by TERM, then KILL.

use std::fs;
use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Signal;
use tokio::process::Child;

use crate::component::Component;
use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::home::write_json;
use crate::process::MARKER;
use crate::process::ProcessId;

/// How long a component may take to end by itself. The API server would drain for a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Variables that reach the components. A proxy of the host, a kubeconfig or a debug flag of the Go
/// runtime would change what the lab does.
const ENVIRONMENT: [&str; 4] = ["HOME", "LANG", "PATH", "TMPDIR"];

/// The running components.
#[derive(Debug)]
pub(crate) struct Children {
    home: Home,
    running: Vec<(Component, ProcessId, Child)>,
}

impl Children {
    pub(crate) fn new(home: &Home) -> Self {
        Self { home: home.clone(), running: Vec::new() }
    }

    /// Starts a component. Its log grows across restarts.
    pub(crate) fn start(&mut self, component: Component, mut command: Command) -> Result<ProcessId> {
        let log_path = self.home.log_of(component.name());
        let log = File::options().create(true).append(true).open(&log_path).map_err(Error::at(&log_path))?;
        let log_too = log.try_clone().map_err(Error::at(&log_path))?;
        command.env_clear().env(MARKER, self.home.name()).process_group(0);
        command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::null()).stdout(log).stderr(log_too);
        let program = command.get_program().to_owned();
        let child = tokio::process::Command::from(command)
            .spawn()
            .map_err(Error::io(format!("{component}: {}", program.display())))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let Some(id) = pid.and_then(ProcessId::of) else {
            return Err(Error::other(format!("{component}: not a process at once after its start")));
        };
        self.running.push((component, id.clone(), child));
        write_json(&self.home.record(component.name()), &id)?;
        Ok(id)
    }

    /// The process of a component that was started and not ended.
    pub(crate) fn id(&self, component: Component) -> Option<&ProcessId> {
        Some(&self.running.iter().find(|(running, ..)| *running == component)?.1)
    }

    /// The components that were started and not ended, with their processes.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (Component, &ProcessId)> {
        self.running.iter().map(|(component, id, _)| (*component, id))
    }

    /// An error if a component has ended by itself: for loops that wait for it.
    pub(crate) fn check(&mut self, component: Component) -> Result<()> {
        let status = self.running.iter_mut().find(|(running, ..)| *running == component);
        let ended = status.and_then(|(.., child)| child.try_wait().ok().flatten());
        ended.map_or(Ok(()), |status| Err(self.failure(component, format!("ended: {status}"))))
    }

    /// An error that carries the end of the component's log.
    pub(crate) fn failure(&self, component: Component, what: impl Into<String>) -> Error {
        Error::Component { component, what: what.into(), tail: tail(&self.home.log_of(component.name())) }
    }

    /// TERM, and KILL after `patience`; without patience KILL at once, as a crash would. `None`: it did not
    /// run.
    pub(crate) async fn end(&mut self, component: Component, patience: Duration) -> Option<ExitStatus> {
        let place = self.running.iter().position(|(running, ..)| *running == component)?;
        let (_, id, child) = self.running.get_mut(place)?;
        // Our own child, not yet waited for: its id cannot belong to another process.
        let told = !patience.is_zero() && id.signal(Signal::TERM).is_ok();
        let ended = if told { tokio::time::timeout(patience, child.wait()).await.ok() } else { None };
        let status = if let Some(status) = ended {
            status.ok()
        } else {
            let _ = child.start_kill();
            child.wait().await.ok()
        };
        // Not before it is gone: a future that is dropped at the wait above leaves it on the list.
        self.running.retain(|(running, ..)| *running != component);
        let _ = fs::remove_file(self.home.record(component.name()));
        status
    }

    /// The same for several at once: together they take as long as the slowest.
    pub(crate) async fn end_all(&mut self, components: &[Component], patience: Duration) {
        let begin = Instant::now();
        if !patience.is_zero() {
            let told = self.ids().filter(|(component, _)| components.contains(component));
            told.for_each(|(_, id)| drop(id.signal(Signal::TERM)));
        }
        for component in components {
            self.end(*component, patience.saturating_sub(begin.elapsed())).await;
        }
    }
}

/// The last 40 lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    const BYTES: u64 = 64 * 1024;
    let read = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_else(|error: std::io::Error| format!("{}: {error}", log.display()).into());
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Temporary;
    use crate::until;

    #[tokio::test]
    async fn says_why_a_component_ended_and_ends_one_that_does_not_want_to() {
        let home = Temporary::new();
        let mut children = Children::new(&home);
        let mut fails = Command::new("sh");
        fails.args(["-c", "echo bind: address already in use >&2; exit 3"]);
        let failing = children.start(Component::Etcd, fails).unwrap();
        assert!(failing.gone_within(Duration::from_secs(10)));
        let error = children.check(Component::Etcd).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("address already in use"), "{error}");

        let mut stubborn = Command::new("sh");
        stubborn.args(["-c", "trap '' TERM; echo ready; exec sleep 600"]);
        let id = children.start(Component::Kubelet, stubborn).unwrap();
        let ready = || tail(&home.log_of("kubelet")).contains("ready").then_some(());
        until("the trap", Duration::from_secs(10), ready);
        assert!(children.check(Component::Kubelet).is_ok());
        let status = children.end(Component::Kubelet, Duration::from_millis(100)).await.unwrap();
        assert!(!status.success() && !id.is_alive());
        assert!(children.id(Component::Kubelet).is_none());
    }

    #[test]
    fn the_tail_is_forty_lines() {
        let home = Temporary::new();
        let log = home.log_of("etcd");
        fs::write(&log, (0..100).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n")).unwrap();
        let tail = tail(&log);
        assert!(tail.starts_with("line 60\n") && tail.ends_with("line 99"), "{tail}");
    }
}
