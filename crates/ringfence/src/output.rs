//! Results to stdout or to files. A file appears whole or not at all (`fresh.rs`); one that takes the place of another keeps
//! its rights and owner. What is there and is no file (a pipe, `/dev/null`), or is open already (`/dev/stdout`), is written
//! to, and never replaced.

mod fresh;

use std::ffi::OsStr;
use std::fs;
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::os::fd::AsFd as _;
#[cfg(feature = "signing")]
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::fchown;
use std::path::Path;
use std::path::PathBuf;

use self::fresh::Fresh;
use crate::exit::Wrong;

/// Linux follows as many links (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Writes through `print` to stdout.
pub(crate) fn to_stdout(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = print(&mut out).and_then(|()| out.flush());
    printed.map_err(|error| unwritten("cannot write to standard output".to_owned(), error))
}

/// Writes through `print` to a file, or to stdout.
pub(crate) fn write(
    file: Option<&Path>,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    match file {
        Some(path) => to_file(path, print),
        None => to_stdout(print),
    }
}

/// Refuses a result in the place of a file that the call reads, or that lies in what it judges, where the next run would
/// find it: whatever way leads there.
#[cfg(feature = "models")]
pub(crate) fn spares<'p>(
    what: &str,
    output: Option<&Path>,
    read: impl IntoIterator<Item = &'p Path>,
) -> Result<(), Wrong> {
    let Some(output) = output else { return Ok(()) };
    // `/dev/null` may be read and written to.
    let is_kept = |read: &Path| fs::metadata(read).is_ok_and(|read| read.is_file() || read.is_dir());
    match read.into_iter().find(|read| is_kept(read) && crate::config::leads_through(output, read)) {
        Some(read) => {
            let words = format!(
                "is {}, which this call reads, or lies in it: choose another place for the result",
                read.display()
            );
            Err(Wrong::new(format!("{what} {}", output.display()), words))
        }
        None => Ok(()),
    }
}

/// Writes through `print` to a file of this very name. For places that nobody typed, or that somebody else may have filled:
/// what is there and is no file is refused as by [`plain`].
#[cfg(feature = "signing")]
pub(crate) fn write_here(
    path: &Path,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    in_place(path, plain(path)?, print)
}

/// What is at this very place: a file or nothing. Anything else would lead what is written there elsewhere.
#[cfg(feature = "signing")]
pub(crate) fn plain(path: &Path) -> Result<Option<fs::Metadata>, Wrong> {
    let Ok(there) = fs::symlink_metadata(path) else { return Ok(None) };
    let kind = there.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(Some(there)),
        () if kind.is_symlink() => "a link",
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(Wrong::new(
        format!("cannot write {}", path.display()),
        format!(
            "{what} is there, which may have come with the model: remove it, or name another place with --out"
        ),
    ))
}

/// Whether a file can come to be at this place; for work of minutes, before it begins. What is there and is no file is not
/// asked: a pipe would tell its reader.
#[cfg(feature = "signing")]
pub(crate) fn can_begin(path: &Path) -> anyhow::Result<()> {
    let end = fs::canonicalize(path);
    let path = end.as_deref().unwrap_or(path);
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) || opened(path).is_some() {
        return Ok(());
    }
    Fresh::new(path, true)
        .map(drop)
        .map_err(|error| unopened(format!("cannot write {}", path.display()), error))
}

fn to_file(path: &Path, print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    if let Some((name, number)) = opened(path) {
        return to_opened(&name, number, print);
    }
    // The end of a link is what is meant, and the link stays.
    let end = fs::canonicalize(path);
    let path = end.as_deref().unwrap_or(path);
    let what = || format!("cannot write {}", path.display());
    let there = fs::metadata(path);
    if there.as_ref().is_ok_and(fs::Metadata::is_dir) {
        return Err(Wrong::new(what(), "a folder, where a file was expected").into());
    }
    if there.as_ref().is_ok_and(|there| !there.is_file()) {
        let file = File::options().write(true).open(path).map_err(|error| unopened(what(), error))?;
        let mut out = BufWriter::new(file);
        return print(&mut out).and_then(|()| out.flush()).map_err(|error| unwritten(what(), error));
    }
    in_place(path, there.ok(), print)
}

/// What a process has open, where `path` leads to the system's name for it: that name, and its number where the process is
/// this one. What is open may be a file that others write to as well (`>> log`), and none of it is ours to take away.
fn opened(path: &Path) -> Option<(PathBuf, Option<i32>)> {
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        let folder = at.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = fs::canonicalize(folder).ok()?;
        at = folder.join(at.file_name()?);
        if folder.starts_with("/proc") && folder.ends_with("fd") {
            let is_own = fs::canonicalize("/proc/self/fd").is_ok_and(|own| own == folder);
            let number = at.file_name().and_then(OsStr::to_str).filter(|_| is_own);
            let number = number.and_then(|number| number.parse().ok());
            return Some((at, number));
        }
        at = folder.join(fs::read_link(&at).ok()?);
    }
    None
}

/// Where the shell that opened it stands in a file is where this writes, so that what it writes next stands behind.
fn to_opened(
    name: &Path,
    number: Option<i32>,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let what = || format!("cannot write {}", name.display());
    let file = match number {
        Some(1) => return to_stdout(print),
        Some(2) => io::stderr().as_fd().try_clone_to_owned().map(File::from),
        _ => match number.and_then(shared) {
            Some(file) => Ok(file),
            None => File::options().append(true).open(name),
        },
    };
    let mut out = BufWriter::new(file.map_err(|error| unopened(what(), error))?);
    print(&mut out).and_then(|()| out.flush()).map_err(|error| unwritten(what(), error))
}

/// What this process has open under a number, if the system hands it out.
#[cfg(all(target_os = "linux", feature = "models"))]
fn shared(number: i32) -> Option<File> {
    use rustix::process::PidfdFlags;
    use rustix::process::PidfdGetfdFlags;

    let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).ok()?;
    rustix::process::pidfd_getfd(own, number, PidfdGetfdFlags::empty()).ok().map(File::from)
}

#[cfg(not(all(target_os = "linux", feature = "models")))]
fn shared(_: i32) -> Option<File> {
    None
}

/// A whole file under this very name, whatever is there; with its owner and rights, where it takes the place of another.
fn in_place(
    path: &Path,
    there: Option<fs::Metadata>,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let what = || format!("cannot write {}", path.display());
    if path.file_name().is_none() {
        return Err(Wrong::new(what(), "the name of a file was expected").into());
    }
    let fresh = Fresh::new(path, there.is_some()).map_err(|error| unopened(what(), error))?;
    let write = || {
        if let Some(there) = there {
            keep_owner(&fresh.file, &there);
            fresh.file.set_permissions(there.permissions())?;
        }
        let mut out = BufWriter::new(&fresh.file);
        print(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    let written = write().and_then(|()| fresh.put(path));
    written.map_err(|error| unwritten(what(), error))
}

/// Gives `file` the owner and group that were there, as far as the system lets this user.
fn keep_owner(file: &File, there: &fs::Metadata) {
    let Ok(own) = file.metadata() else { return };
    for (owner, group) in [(None, Some(there.gid())), (Some(there.uid()), None)] {
        if owner.is_some_and(|owner| owner != own.uid()) || group.is_some_and(|group| group != own.gid()) {
            // Only root may give a file away; it then is the user's, who replaced it.
            let _ = fchown(file, owner, group);
        }
    }
}

/// A place where no file can be is the user's to change; a disk without room is no fault of the call.
pub(crate) fn unopened(what: String, error: io::Error) -> anyhow::Error {
    let cure = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            return unwritten(what, error);
        }
        io::ErrorKind::NotFound => "; make its folder first, or name another place",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "; name another place",
        _ => "",
    };
    Wrong::new(what, format!("{error}{cure}")).into()
}

/// What begins and cannot be written to its end. The kind of the error stays: a reader that has left is no error of ours.
fn unwritten(what: String, error: io::Error) -> anyhow::Error {
    let cure = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room, or name another place",
        io::ErrorKind::FileTooLarge => "the limit on the size of files (ulimit -f) has to be larger",
        _ => return anyhow::Error::new(error).context(what),
    };
    anyhow::Error::new(io::Error::new(error.kind(), format!("{error}; {cure}"))).context(what)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    pub(super) fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ringfence-output-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn what_is_no_file_is_written_to_and_a_link_stays_one() {
        let folder = folder("link");
        let (null, link, file) = (folder.join("null"), folder.join("link"), folder.join("file"));
        for (from, to) in [("/dev/null", &null), ("file", &link)] {
            let _ = fs::remove_file(to);
            symlink(from, to).unwrap();
        }
        fs::write(&file, "old").unwrap();
        for path in [&null, &link] {
            write(Some(path), |out| out.write_all(b"new")).unwrap();
            assert!(fs::symlink_metadata(path).unwrap().is_symlink());
        }
        assert!(!fs::metadata(&null).unwrap().is_file());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        fs::remove_dir_all(folder).unwrap();
    }

    /// Names in a folder, sorted.
    pub(super) fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn what_takes_the_place_of_a_file_has_its_rights() {
        let folder = folder("rights");
        let file = folder.join("file");
        for rights in [0o600, 0o640, 0o444] {
            fs::write(&file, "old").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(rights)).unwrap();
            write(Some(&file), |out| out.write_all(b"new")).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), "new");
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, rights);
            // Only root can give a file away.
            if std::os::unix::fs::chown(&file, Some(65_534), Some(65_534)).is_ok() {
                write(Some(&file), |out| out.write_all(b"newer")).unwrap();
                let there = fs::metadata(&file).unwrap();
                assert_eq!((there.uid(), there.gid(), there.mode() & 0o7777), (65_534, 65_534, rights));
            }
            fs::remove_file(&file).unwrap();
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
