//! The state folder of one lab: `run/` (records, socket), `log/`, `state/`, `pki/`, `cni/`, `bin/`.
//! Paths only, and the files that say what the lab is; it starts and ends nothing.

use std::fs;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::FlockOperation;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::error::Result;
use crate::process::ProcessId;
use crate::random;

/// The address of a Unix socket holds 107 bytes; the longest one below a state folder is 40 long.
const LONGEST: usize = 107 - 40;

/// Record of who makes a lab, until its supervisor has a record of its own.
pub(crate) const STARTER: &str = "starter";
/// Record and log of the supervisor.
pub(crate) const SUPERVISOR: &str = "supervisor";

/// The state folder of one lab.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// Makes the folder of a new lab: `<temporary folder>/ringfence-lab-<user id>/rf-<8 hex digits>`.
    /// Not below the home folder: that may lie on a network, where neither etcd nor sockets work.
    ///
    /// A record says that this process is starting it: nobody sweeps it.
    pub(crate) fn create() -> Result<Self> {
        let root = root()?;
        let _listed = lock(&root, FlockOperation::LockShared)?;
        let home = Self(root.join(format!("rf-{}", random::hex(4)?)));
        if home.0.as_os_str().len() > LONGEST {
            let message = "too long for the sockets below it; set TMPDIR to a shorter folder";
            return Err(Error::other(format!("{}: {message}", home.0.display())));
        }
        for folder in [
            home.path(),
            &home.run(),
            &home.log(),
            &home.state(),
            &home.pki(),
            &home.cni(),
            &home.bin(),
            &home.programs(),
        ] {
            fs::create_dir(folder).map_err(Error::at(folder))?;
        }
        write_json(&home.record(STARTER), &ProcessId::own()?)?;
        Ok(home)
    }

    /// The folder of a lab that exists.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folders of all labs of this user, those that were left behind included. None of them is half
    /// made.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let root = root()?;
        let _complete = lock(&root, FlockOperation::LockExclusive)?;
        let entries = fs::read_dir(&root).map_err(Error::at(&root))?;
        let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut homes: Vec<Self> = folders
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rf-")))
            .map(Self)
            .collect();
        homes.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(homes)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// `rf-<8 hex digits>`: also the name of the network namespace, of the cgroups and of the CA.
    pub(crate) fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Records of processes, sockets, short-lived files.
    pub(crate) fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// One log per process, and the audit log.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// What the processes keep: etcd's values, images, volumes.
    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// Keys, certificates and kubeconfigs.
    pub(crate) fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// Configuration of the pod network.
    pub(crate) fn cni(&self) -> PathBuf {
        self.0.join("cni")
    }

    /// Holds the lab's kubectl and nothing else: goes to the front of a shell's search path.
    pub(crate) fn bin(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// Links to the programs that it runs.
    pub(crate) fn programs(&self) -> PathBuf {
        self.0.join("programs")
    }

    /// The record of a process.
    pub(crate) fn record(&self, process: &str) -> PathBuf {
        self.run().join(format!("{process}.json"))
    }

    /// Log of a process, standard output and standard error together.
    pub(crate) fn log_of(&self, process: &str) -> PathBuf {
        self.log().join(format!("{process}.log"))
    }

    /// The API server's audit log, JSON lines.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.log().join("audit.log")
    }

    /// The socket on which the supervisor listens.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.run().join("control.sock")
    }

    /// A kubeconfig: `admin` for tests and people, else that of a component.
    pub(crate) fn kubeconfig(&self, client: &str) -> PathBuf {
        self.pki().join(format!("{client}.kubeconfig"))
    }

    /// Removes the folder and everything in it. Mounts below it must be gone.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::at(&self.0)(error)),
            _ => Ok(()),
        }
    }
}

/// Held while folders are made, and while they are listed.
fn lock(root: &Path, operation: FlockOperation) -> Result<File> {
    let folder = File::open(root).map_err(Error::at(root))?;
    rustix::fs::flock(&folder, operation).map_err(|error| Error::at(root)(error.into()))?;
    Ok(folder)
}

/// Where this user's labs are: a folder that only this user may enter.
pub(crate) fn root() -> Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let root = std::env::temp_dir().join(format!("ringfence-lab-{user}"));
    match fs::DirBuilder::new().mode(0o700).create(&root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(Error::at(&root)(error)),
        _ => {}
    }
    // Anybody may have made it before us: in a folder of theirs they could swap our files.
    let metadata = fs::symlink_metadata(&root).map_err(Error::at(&root))?;
    if !metadata.is_dir() || metadata.uid() != user || metadata.permissions().mode() & 0o022 != 0 {
        let message = "not a folder that only this user can write: remove it, or set TMPDIR to another place";
        return Err(Error::other(format!("{}: {message}", root.display())));
    }
    Ok(root)
}

/// Reads a JSON file of the lab.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(Error::at(path))?;
    serde_json::from_slice(&bytes).map_err(Error::while_(path.display()))
}

/// Writes a JSON file so that a reader sees all of it or nothing.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).map_err(Error::while_(path.display()))?;
    let beside = path.with_extension("new");
    fs::write(&beside, text).map_err(Error::at(&beside))?;
    fs::rename(&beside, path).map_err(Error::at(path))
}

/// A folder for a test of this crate, gone when the test is over, however it ends.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Temporary(Home);

#[cfg(test)]
impl Temporary {
    pub(crate) fn new() -> Self {
        Self(Home::create().unwrap())
    }
}

#[cfg(test)]
impl std::ops::Deref for Temporary {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.0
    }
}

#[cfg(test)]
impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = self.0.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_lab_has_a_name_of_its_own_and_is_listed_until_it_is_removed() {
        let (one, two) = (Temporary::new(), Temporary::new());
        assert_ne!(one.name(), two.name());
        assert_eq!(one.name().len(), "rf-12345678".len());
        assert!(Home::all().unwrap().contains(&*one));
        assert_eq!(fs::metadata(one.path().parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        one.remove().unwrap();
        one.remove().unwrap();
        assert!(!Home::all().unwrap().contains(&*one));
    }
}
