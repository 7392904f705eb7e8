//! Results to stdout or to files. A file appears whole or not at all: temporary file, then rename. What is there and is no
//! file (a pipe, `/dev/null`) is written to, and never replaced.

use std::fs;
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use crate::exit::Wrong;

/// Writes through `print` to stdout.
pub(crate) fn to_stdout(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    print(&mut out).and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Writes through `print` to a file, or to stdout.
pub(crate) fn write(
    file: Option<&Path>,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    match file {
        Some(path) => to_file(path, None, print),
        None => to_stdout(print),
    }
}

/// Writes through `print` to a file that is there already, and keeps these rights.
#[cfg(feature = "models")]
pub(crate) fn replace(
    path: &Path,
    rights: Option<fs::Permissions>,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    to_file(path, rights, print)
}

fn to_file(
    path: &Path,
    rights: Option<fs::Permissions>,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    // The end of a link is what is meant, and the link stays.
    let end = fs::canonicalize(path);
    let path = end.as_deref().unwrap_or(path);
    let what = || format!("cannot write {}", path.display());
    let there = fs::metadata(path);
    if there.as_ref().is_ok_and(fs::Metadata::is_dir) {
        return Err(Wrong::new(what(), "a folder, where a file was expected").into());
    }
    if there.is_ok_and(|there| !there.is_file()) {
        let file = File::options().write(true).open(path).map_err(|error| unopened(what(), error))?;
        let mut out = BufWriter::new(file);
        return print(&mut out).and_then(|()| out.flush()).with_context(what);
    }
    let Some(name) = path.file_name() else {
        return Err(Wrong::new(what(), "the name of a file was expected").into());
    };
    let mut name = name.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let file = File::create(&temporary).map_err(|error| unopened(what(), error))?;
    let write = |file: File| {
        rights.map_or(Ok(()), |rights| file.set_permissions(rights))?;
        let mut out = BufWriter::new(file);
        print(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path)
    };
    let written = write(file);
    if written.is_err() {
        // Half a file must not stay; that it cannot be removed either changes nothing.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(what)
}

/// A place where no file can be is the user's to change; a disk without room is no fault of the call.
fn unopened(what: String, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => anyhow::Error::new(error).context(what),
        _ => Wrong::new(what, error).into(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_no_file_is_written_to_and_a_link_stays_one() {
        let folder = std::env::temp_dir().join(format!("ringfence-output-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
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
}
