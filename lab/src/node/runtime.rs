//! containerd from outside: asked through `ctr`, which is always given the lab's own socket. And the mounts that
//! a runtime may leave below the lab's folder.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::mount::UnmountFlags;

use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::image::Image;
use crate::image::Packed;
use crate::node::lacks::find;

/// An import of some megabytes, on a crowded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The container runtime of a lab.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    socket: PathBuf,
    folder: PathBuf,
}

impl Runtime {
    pub(crate) fn of(home: &Home) -> Self {
        Self { socket: home.run().join("containerd.sock"), folder: home.state().join("images") }
    }

    /// Whether it answers. Not before its socket is there: `ctr` would wait for it.
    pub(crate) async fn answers(&self) -> bool {
        self.socket.try_exists().unwrap_or(false) && self.ctr(&["version"]).await.is_ok()
    }

    /// Makes an image available to pods; an older one of the same name is replaced.
    pub(crate) async fn import(&self, image: &Image) -> Result<Packed> {
        let packed = image.pack()?;
        fs::create_dir_all(&self.folder).map_err(Error::at(&self.folder))?;
        let file = self.folder.join(format!("{}.tar", packed.manifest.replace(':', "-")));
        fs::write(&file, &packed.tar).map_err(Error::at(&file))?;
        let imported = self.ctr(&["images", "import", &file.display().to_string()]).await;
        fs::remove_file(&file).map_err(Error::at(&file))?;
        imported.map(|_| packed)
    }

    /// Names of the running containers, one a line.
    pub(crate) async fn tasks(&self) -> Result<String> {
        self.ctr(&["tasks", "ls", "--quiet"]).await
    }

    async fn ctr(&self, arguments: &[&str]) -> Result<String> {
        let doing = format!("ctr {}", arguments.join(" "));
        let mut ctr = tokio::process::Command::new(find("ctr").unwrap_or_else(|| "ctr".into()));
        ctr.args(["--connect-timeout", "1s", "--namespace", "k8s.io", "--address"]).arg(&self.socket);
        ctr.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, ctr.output())
            .await
            .map_err(|_| Error::Deadline { what: doing.clone(), after: PATIENCE })?
            .map_err(Error::io(&doing))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::other(format!("{doing}: {}", String::from_utf8_lossy(&output.stderr).trim())))
    }
}

/// Unmounts everything below a folder, the deepest first. The lab's own mounts lie in a namespace that dies with
/// its last process; this is for what leaked out of it.
pub(crate) fn unmount_below(folder: &Path) -> Result<()> {
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(table).map_err(Error::at(table))?;
    for point in points_below(&text, folder).iter().rev() {
        match rustix::mount::unmount(point, UnmountFlags::DETACH) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) | Ok(()) => {} // gone with another
            Err(error) => return Err(Error::io(format!("unmount {}", point.display()))(error.into())),
        }
    }
    Ok(())
}

/// Mount points below a folder in the order in which they were mounted (proc_pid_mountinfo(5)).
fn points_below(table: &str, folder: &Path) -> Vec<PathBuf> {
    let points = table.lines().filter_map(|line| Some(PathBuf::from(unescape(line.split(' ').nth(4)?))));
    points.filter(|point| point.starts_with(folder)).collect()
}

/// Blank, tab, line feed and backslash stand there in octal.
fn unescape(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |text, (code, letter)| text.replace(code, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_mounts_below_a_folder_and_not_beside_it() {
        let line =
            |point: &str| format!("36 35 98:0 /mnt1 {point} rw,noatime master:1 - ext3 /dev/root rw\n");
        let table =
            [line("/tmp/lab/rf-1/a"), line("/tmp/lab/rf-1/a/b\\040c"), line("/tmp/lab/rf-10/d"), line("/")];
        assert_eq!(
            points_below(&table.concat(), Path::new("/tmp/lab/rf-1")),
            [PathBuf::from("/tmp/lab/rf-1/a"), PathBuf::from("/tmp/lab/rf-1/a/b c")]
        );
    }
}
