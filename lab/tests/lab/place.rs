//! A place of its own for labs that a test starts by command, and a look at what is left of them.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringfence_lab::until;
use serde_json::Value;

/// For what a crowded machine does in seconds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// After a killed owner nothing may be left within this time.
pub(crate) const GONE: Duration = Duration::from_secs(30);

/// A temporary folder that the lab's commands take for that of the system.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rfl-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The lab's program with these words; nothing of the caller's lab reaches it.
    pub(crate) fn lab(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence-lab"));
        command.args(words).env("TMPDIR", &self.0);
        for variable in ["RINGFENCE_LAB", "RINGFENCE_LAB_KEEP", "KUBECONFIG", "RINGFENCE_TEST_KUBECONFIG"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs a command of the lab to its end and gives its standard output.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        let output = self.lab(words).output().unwrap();
        assert!(output.status.success(), "lab {words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Starts a command of the lab that goes on.
    pub(crate) fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.lab(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// What `lab status` tells.
    pub(crate) fn status(&self) -> Vec<Value> {
        let status: Value = serde_json::from_str(&self.run(&["status", "--format", "json"])).unwrap();
        status["labs"].as_array().unwrap().clone()
    }

    /// The folders of labs here.
    pub(crate) fn homes(&self) -> Vec<PathBuf> {
        let roots = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let labs = roots.filter(|root| root.to_string_lossy().contains("/ringfence-lab-"));
        labs.flat_map(|root| fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path())).collect()
    }

    /// The folder of the one lab here, once it has this file.
    pub(crate) fn home_with(&self, file: &str) -> PathBuf {
        let find = || self.homes().into_iter().find(|home| home.join(file).is_file());
        until(file, PATIENCE, find)
    }

    /// Fails unless every process, folder and socket of these labs is gone within the deadline.
    pub(crate) fn is_left_empty(&self, names: &[String], deadline: Duration) {
        until("no folder of a lab", deadline, || self.homes().is_empty().then_some(()));
        until("no process of a lab", deadline, || members(names).is_empty().then_some(()));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whatever a failed test left, running or not.
        for home in self.homes() {
            let _ = self.lab(&["down", &name(&home)]).output();
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a command of the lab that must end with this exit code; gives what it says.
pub(crate) fn fails(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {}", said(&output));
    assert_eq!(text(&output.stdout), "", "standard output is for a shell to eval");
    text(&output.stderr)
}

pub(crate) fn name(home: &Path) -> String {
    home.file_name().unwrap().to_string_lossy().into_owned()
}

/// Process ids whose environment or command line names one of these labs.
pub(crate) fn members(names: &[String]) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: i32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let mut bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        bytes.extend(fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default());
        let text = text(&bytes);
        names.iter().any(|name| text.contains(name)).then_some(pid)
    });
    processes.collect()
}

/// The process on record under this name.
pub(crate) fn recorded(home: &Path, process: &str) -> i32 {
    let record = fs::read(home.join("run").join(format!("{process}.json"))).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    record["pid"].as_i64().unwrap().try_into().unwrap()
}

pub(crate) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Whether a process is gone, or waits only to be waited for. Its environment is no sign of that: a process that is
/// being ended gives up its memory first, and is there for a while longer.
pub(crate) fn has_ended(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, fields)| fields.trim_start().starts_with(['Z', 'X']))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Both streams, for messages.
pub(crate) fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}
