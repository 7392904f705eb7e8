//! Results to stdout or to files. A file appears whole or not at all (`fresh.rs`); one that takes the place of another keeps
//! its rights. What is there and is no file (a pipe, `/dev/null`) is written to, and never replaced.

mod fresh;

use std::fs;
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Write;
#[cfg(feature = "signing")]
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use self::fresh::Fresh;
use crate::exit::Wrong;

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

/// Writes through `print` to a file of this very name. For places that nobody typed, or that somebody else may have filled:
/// what is there and is no file is refused as by [`plain`].
#[cfg(feature = "signing")]
pub(crate) fn write_here(
    path: &Path,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    in_place(path, plain(path)?.map(|there| there.permissions()), print)
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

fn to_file(path: &Path, print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
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
    in_place(path, there.ok().map(|there| there.permissions()), print)
}

/// A whole file under this very name, whatever is there; with these rights, where it takes the place of another.
fn in_place(
    path: &Path,
    rights: Option<fs::Permissions>,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let what = || format!("cannot write {}", path.display());
    if path.file_name().is_none() {
        return Err(Wrong::new(what(), "the name of a file was expected").into());
    }
    let fresh = Fresh::new(path, rights.is_some()).map_err(|error| unopened(what(), error))?;
    let write = || {
        rights.map_or(Ok(()), |rights| fresh.file.set_permissions(rights))?;
        let mut out = BufWriter::new(&fresh.file);
        print(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    let written = write().and_then(|()| fresh.put(path));
    written.map_err(|error| unwritten(what(), error))
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
    use std::path::PathBuf;

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
            fs::remove_file(&file).unwrap();
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
