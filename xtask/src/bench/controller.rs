//! The controller as a process in a lab of a bench, with the rights that are installed, and what is applied around it.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use super::kept::Usage;
use super::kept::WHO;
use super::live::built;
use crate::failure::Failure;
use crate::shell;

/// Applies what is installed in a cluster.
pub(super) fn install(folder: &Path) -> Result<(), Failure> {
    let printed = shell::output(Command::new(built("ringfence")).args(["install", "--print"]))?;
    apply(folder, "install.yaml", &printed)
}

/// Waits until a SecurityDomain is Ready and in Enforce.
pub(super) fn until_enforced(name: &str) -> Result<(), Failure> {
    until("everything in place", Duration::from_mins(10), || {
        let status = status(name)?;
        let ready = status["conditions"].as_array().into_iter().flatten();
        let is_ready = ready.into_iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
        Ok(is_ready && status["effectiveModes"]["mode"] == "Enforce")
    })
}

/// The status of a SecurityDomain.
pub(super) fn status(name: &str) -> Result<Value, Failure> {
    let text = kubectl(&["get", "securitydomain", name, "-o", "json"])?;
    let object: Value = serde_json::from_str(&text).map_err(Failure::while_("kubectl get"))?;
    Ok(object["status"].clone())
}

pub(super) fn apply(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let file = folder.join(name);
    fs::write(&file, text).map_err(Failure::while_(file.display()))?;
    kubectl(&["apply", "--server-side", "--filename", &file.display().to_string()]).map(drop)
}

pub(super) fn kubectl(arguments: &[&str]) -> Result<String, Failure> {
    shell::output(Command::new("kubectl").args(arguments))
}

pub(super) fn until(
    what: &str,
    patience: Duration,
    mut done: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let begin = Instant::now();
    while !done()? {
        if begin.elapsed() > patience {
            return Err(Failure::new(format!("{what}: not within {} s", patience.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Ok(())
}

/// The controller as a process, who it is by impersonation; it ends with this.
pub(super) struct Controller(Child);

impl Controller {
    pub(super) fn start() -> Result<Self, Failure> {
        let mut command = Command::new(built("ringfence"));
        command.args(["serve", "controller", "--listen", "127.0.0.1:0", "--as", WHO]);
        let child =
            command.stdin(Stdio::null()).spawn().map_err(Failure::while_("ringfence serve controller"))?;
        Ok(Self(child))
    }

    pub(super) fn usage(&self) -> Result<Usage, Failure> {
        Usage::of(self.0.id()).map_err(Failure::while_("what the kernel counts of the controller"))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
