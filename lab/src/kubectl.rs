//! kubectl as a subprocess: a kubeconfig, an identity, words -> what it printed and whether it worked.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use crate::control_plane::fail;
use crate::identity::Identity;

/// A call of kubectl in the making.
pub(crate) struct Kubectl {
    command: Command,
}

impl Kubectl {
    /// With a cache of discovery of its own: labs come and go on the same ports.
    pub(crate) fn new(program: &Path, kubeconfig: &Path, cache: Option<PathBuf>) -> Self {
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(kubeconfig);
        if let Some(cache) = cache {
            command.arg("--cache-dir").arg(cache);
        }
        Self { command }
    }

    pub(crate) fn impersonate(mut self, who: &Identity) -> Self {
        self.command.arg("--as").arg(&who.user);
        for group in &who.groups {
            self.command.arg("--as-group").arg(group);
        }
        self
    }

    pub(crate) fn namespace(mut self, name: &str) -> Self {
        self.command.arg("--namespace").arg(name);
        self
    }

    pub(crate) fn run(self, arguments: &[&str]) -> Done {
        self.with_input(arguments, "")
    }

    pub(crate) fn apply(self, yaml: &str) -> Done {
        self.with_input(&["apply", "--server-side", "--force-conflicts", "--filename", "-"], yaml)
    }

    pub(crate) fn create(self, yaml: &str) -> Done {
        self.with_input(&["create", "--filename", "-"], yaml)
    }

    pub(crate) fn with_input(mut self, arguments: &[&str], input: &str) -> Done {
        self.command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = self.command.spawn().and_then(|mut child| {
            let stdin = child.stdin.take();
            // It answers only after it has read everything: no deadlock. It may also refuse to read.
            let _ = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
            child.wait_with_output()
        });
        match output {
            Ok(output) => Done { what: arguments.join(" "), output },
            Err(error) => fail(format!("{}: {error}", self.command.get_program().display())),
        }
    }
}

/// What a call of kubectl came to.
#[must_use = "a call that failed is an answer: ask for `ok` or `refused`"]
#[derive(Debug)]
pub struct Done {
    what: String,
    output: Output,
}

impl Done {
    /// Whether it worked.
    pub fn is_ok(&self) -> bool {
        self.output.status.success()
    }

    /// What it printed.
    ///
    /// # Panics
    /// It did not work.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.is_ok(), "kubectl {}: {}", self.what, self.stderr());
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Why it did not work.
    ///
    /// # Panics
    /// It worked.
    #[track_caller]
    pub fn refused(self) -> String {
        assert!(!self.is_ok(), "kubectl {} was not refused", self.what);
        self.stderr()
    }

    /// What it printed to standard error: warnings of the API server among it.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}
