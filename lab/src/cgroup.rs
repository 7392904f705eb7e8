//! Control groups of a lab, on v1 (one tree per controller) and v2 (one tree): a folder with the lab's name
//! in each -> everything in it can be found, frozen, killed and removed, whoever started it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;

use crate::error::Error;
use crate::error::Result;

/// Folder of the node's own processes, beside kubelet's folder of the pods.
const DAEMONS: &str = "daemons";

/// How long the processes of a lab may take to vanish after KILL, and their folders after them.
const PATIENCE: Duration = Duration::from_secs(10);

/// The trees of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trees {
    /// v1 trees with a controller or a name, one mount point each; empty where only v2 is used.
    one: Vec<PathBuf>,
    /// The v2 tree. Beside v1 it has no controllers, and only serves to look for what others made there.
    two: Option<PathBuf>,
}

impl Trees {
    /// The trees that are mounted.
    pub(crate) fn of_this_machine() -> Result<Self> {
        let mounts = Path::new("/proc/self/mounts");
        Ok(Self::read(&fs::read_to_string(mounts).map_err(Error::at(mounts))?))
    }

    /// Reads fstab(5) lines: device, mount point, type, options.
    fn read(mounts: &str) -> Self {
        let of_type = |wanted: &'static str| {
            let lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
            lines.filter_map(move |line| match line.as_slice() {
                [_, point, kind, ..] if *kind == wanted => Some(PathBuf::from(point)),
                _ => None,
            })
        };
        Self { one: of_type("cgroup").collect(), two: of_type("cgroup2").next() }
    }

    /// Whether a container runtime could work here: it needs a tree with controllers.
    pub(crate) fn are_usable(&self) -> bool {
        let has = |tree: &PathBuf, file: &str| tree.join(file).try_exists().unwrap_or(false);
        match self.one.as_slice() {
            [] => self.two.as_ref().is_some_and(|tree| {
                fs::read_to_string(tree.join("cgroup.controllers")).is_ok_and(|list| list.contains("memory"))
            }),
            trees => trees.iter().any(|tree| has(tree, "memory.limit_in_bytes")),
        }
    }

    /// Whether folders may be made here: a container often sees the trees and may not.
    pub(crate) fn are_writable(&self) -> bool {
        self.working().iter().all(|tree| rustix::fs::access(tree, rustix::fs::Access::WRITE_OK).is_ok())
    }

    /// Makes the lab's folders. A new cpuset has neither processors nor memory nodes: it gets its parent's.
    pub(crate) fn create(&self, lab: &str) -> Result<()> {
        for tree in self.working() {
            for folder in [tree.join(lab), tree.join(lab).join(DAEMONS)] {
                fs::create_dir_all(&folder).map_err(Error::at(&folder))?;
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let (ours, parents) = (folder.join(file), folder.join("..").join(file));
                    if !self.one.is_empty() && ours.try_exists().map_err(Error::at(&ours))? {
                        let value = fs::read_to_string(&parents).map_err(Error::at(&parents))?;
                        fs::write(&ours, value.trim()).map_err(Error::at(&ours))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The files into which a process of the node writes its id, before it becomes what it is.
    pub(crate) fn entrances(&self, lab: &str) -> Vec<PathBuf> {
        self.working().iter().map(|tree| tree.join(lab).join(DAEMONS).join("cgroup.procs")).collect()
    }

    /// Kills everything in the lab's folders and removes them, in every tree. Where there is nothing, nothing
    /// happens.
    pub(crate) fn wipe(&self, lab: &str) -> Result<()> {
        let folders: Vec<PathBuf> = self.one.iter().chain(&self.two).map(|tree| tree.join(lab)).collect();
        let end = Instant::now() + PATIENCE;
        while !kill(&folders)? {
            after(end, || format!("end of the processes in cgroups {lab}"))?;
        }
        for folder in &folders {
            // A process leaves its folder some time after it has ended.
            while let Err(error) = remove(folder) {
                after(end, || format!("removal of cgroup {}: {error}", folder.display()))?;
            }
        }
        Ok(())
    }

    /// The trees in which work is done: all of v1 or the one of v2.
    fn working(&self) -> Vec<PathBuf> {
        if self.one.is_empty() { self.two.iter().cloned().collect() } else { self.one.clone() }
    }
}

/// One round: everything is frozen, so that nothing can start another while we look, then killed, then thawed
/// to die. True when nobody was left.
fn kill(folders: &[PathBuf]) -> Result<bool> {
    // v2 kills a whole tree by itself.
    for folder in folders {
        write_if_there(&folder.join("cgroup.kill"), "1")?;
        write_if_there(&folder.join("freezer.state"), "FROZEN")?;
    }
    let mut found = BTreeSet::new();
    for folder in folders {
        collect(folder, &mut found).map_err(Error::at(folder))?;
    }
    for pid in found.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // Gone between the look and the signal: fine.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
    for folder in folders {
        write_if_there(&folder.join("freezer.state"), "THAWED")?;
    }
    Ok(found.is_empty())
}

/// The process ids of a folder and all below it; a folder that is not there holds none.
fn collect(folder: &Path, found: &mut BTreeSet<i32>) -> io::Result<()> {
    let Some(list) = absent_is_none(fs::read_to_string(folder.join("cgroup.procs")))? else { return Ok(()) };
    found.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    subfolders(folder)?.iter().try_for_each(|below| collect(below, found))
}

/// Removes folders depth first: a cgroup with children stays.
fn remove(folder: &Path) -> io::Result<()> {
    for below in subfolders(folder)? {
        remove(&below)?;
    }
    absent_is_none(fs::remove_dir(folder)).map(|_| ())
}

fn subfolders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(entries) = absent_is_none(fs::read_dir(folder))? else { return Ok(Vec::new()) };
    let folders = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        entry.file_type().ok()?.is_dir().then(|| entry.path())
    });
    Ok(folders.collect())
}

fn write_if_there(file: &Path, value: &str) -> Result<()> {
    // Not `fs::write`: that would create the file where the tree has none.
    let opened = absent_is_none(fs::OpenOptions::new().write(true).open(file)).map_err(Error::at(file))?;
    opened.map_or(Ok(()), |mut opened| {
        io::Write::write_all(&mut opened, value.as_bytes()).map_err(Error::at(file))
    })
}

/// A folder may vanish while it is looked at: ENOENT, and ENODEV from a file of a cgroup that is gone.
fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A short wait before the next look, or an error when the time is over.
fn after(end: Instant, what: impl FnOnce() -> String) -> Result<()> {
    if Instant::now() >= end {
        return Err(Error::Deadline { what: what(), after: PATIENCE });
    }
    std::thread::sleep(Duration::from_millis(20));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::io::BufReader;
    use std::process::Command;
    use std::process::Stdio;

    use super::*;
    use crate::process::ProcessId;

    const HYBRID: &str = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
        cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
        cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";

    #[test]
    fn a_hybrid_machine_works_in_v1_and_is_searched_in_both() {
        let trees = Trees::read(HYBRID);
        assert_eq!(
            trees.entrances("rf-1"),
            [
                PathBuf::from("/sys/fs/cgroup/memory/rf-1/daemons/cgroup.procs"),
                PathBuf::from("/sys/fs/cgroup/systemd/rf-1/daemons/cgroup.procs")
            ]
        );
        assert_eq!(trees.two, Some(PathBuf::from("/sys/fs/cgroup/unified")));
    }

    #[test]
    fn a_machine_with_v2_alone_works_there() {
        let trees = Trees::read("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n");
        assert_eq!(trees.entrances("rf-1"), [PathBuf::from("/sys/fs/cgroup/rf-1/daemons/cgroup.procs")]);
        assert!(!Trees::read("proc /proc proc rw 0 0\n").are_usable());
    }

    #[test]
    #[ignore = "needs root: makes cgroups"]
    fn everything_in_a_lab_is_killed_and_its_folders_removed() {
        let trees = Trees::of_this_machine().unwrap();
        assert!(trees.are_usable(), "{trees:?}");
        let lab = format!("rft-{}", crate::random::hex(4).unwrap());
        trees.create(&lab).unwrap();
        let entrances = trees.entrances(&lab);
        // A shell that enters, and starts one process in a folder further down that outlives it.
        let script = "for f in \"$@\"; do echo 0 > \"$f\"; mkdir \"${f%/*}/pod\"; done; sleep 600 & \
            for f in \"$@\"; do echo $! > \"${f%/*}/pod/cgroup.procs\" || exit 1; done; echo $!; exec sleep 600";
        let pods: Vec<_> =
            entrances.iter().filter(|file| !file.starts_with("/sys/fs/cgroup/cpuset")).collect();
        let mut shell =
            Command::new("sh").args(["-c", script, "sh"]).args(&pods).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let below = ProcessId::of(line.trim().parse().unwrap()).unwrap();
        let own = ProcessId::of(i32::try_from(shell.id()).unwrap()).unwrap();
        assert!(below.is_alive() && own.is_alive());
        // A test that dies with its processes waited for by nobody else: they are zombies until then.
        let reaper = std::thread::spawn(move || shell.wait().unwrap());
        trees.wipe(&lab).unwrap();
        assert!(!reaper.join().unwrap().success());
        assert!(!below.is_alive() && !own.is_alive());
        for folder in entrances.iter().filter_map(|file| file.parent()?.parent()) {
            assert!(!folder.try_exists().unwrap(), "{}", folder.display());
        }
        trees.wipe(&lab).unwrap();
    }
}
