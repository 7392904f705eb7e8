//! Results to stdout or to files. A file appears whole or not at all: temporary file, then rename.

use std::fs;
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

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
    let mut name = path.file_name().context("-o needs the name of a file")?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|file| {
        rights.map_or(Ok(()), |rights| file.set_permissions(rights))?;
        let mut out = BufWriter::new(file);
        print(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // Half a file must not stay; that it cannot be removed either changes nothing.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}
