//! `ringfence.yaml`: a path that is judged -> the configuration in force for it, with its digest, or why there is none.
//!
//! `find -> read -> settings`; the keys stand in one table (`keys.rs`), which is the reader's and the schema's.

mod find;
mod keys;
mod read;

#[cfg(all(test, feature = "signing"))]
#[path = "../../tests/support/entry.rs"]
mod entry;
#[cfg(all(test, feature = "signing"))]
#[path = "../../../../fuzz/replay.rs"]
mod replay;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use ringfence_finding::ConfigFile;

pub(crate) use find::leads_through;
pub(crate) use find::outside;
#[cfg(feature = "signing")]
pub(crate) use read::Root;
pub(crate) use read::Settings;
#[cfg(feature = "signing")]
pub(crate) use read::Signer;

use crate::exit::Usage;
use crate::exit::Wrong;

/// Nobody writes a longer one by hand.
const MAX_BYTES: u64 = 1 << 20;

/// Which configuration.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigFlag {
    /// Configuration; where neither this nor RINGFENCE_CONFIG says one, ringfence.yaml of the working directory or of a folder
    /// above it.
    #[arg(long, env = "RINGFENCE_CONFIG", hide_env = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The configuration in force for one path.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) file: ConfigFile,
    pub(crate) settings: Settings,
    folder: PathBuf,
    /// Whether it was found, and nobody named it.
    is_found: bool,
}

/// What a look for the configuration gave.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) config: Option<Config>,
    /// Files that stand near and decide nothing, one line each.
    pub(crate) passed_over: Vec<String>,
}

impl ConfigFlag {
    /// The file that was named, as it was typed.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Looks for what is in force for `judged`. A file that is wrong, foreign or inside of `judged` is an error.
    pub(crate) fn look(&self, judged: &Path) -> anyhow::Result<Look> {
        let found = match &self.config {
            Some(path) => find::named(path, judged)?,
            None => find::search(judged)?,
        };
        let is_found = self.config.is_none();
        let config = found.file.map(|(path, file)| Config::read(&path, file, is_found)).transpose()?;
        Ok(Look { config, passed_over: found.passed_over })
    }
}

impl Config {
    fn read(path: &Path, file: File, is_found: bool) -> anyhow::Result<Self> {
        let wrong = |words: &dyn std::fmt::Display| Usage(format!("{}: {words}", path.display()));
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(wrong(&format!("larger than {MAX_BYTES} bytes")).into());
        }
        let text = str::from_utf8(&bytes).map_err(|error| wrong(&format!("not UTF-8: {error}")))?;
        let settings = read::read(text).map_err(|error| {
            let (line, column) = place(text, error.at);
            Usage(format!("{}:{line}:{column}: {}", path.display(), error.message))
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { file: ConfigFile::new(path.display().to_string(), &bytes), settings, folder, is_found })
    }

    /// A path that the file names under `key`: relative to the file, and never inside of `judged` or beside it.
    fn path(&self, key: &str, written: &str, judged: &Path) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(written);
        outside(&format!("{}: {key}", self.file.path), &path, judged)?;
        Ok(path)
    }

    /// Path and bytes of a file that says whom to trust, or what is clean: as [`Config::path`], and held to the same rules as
    /// the file that names it. Who may write the one decides as much as who may write the other.
    pub(crate) fn read_trusted(
        &self,
        key: &str,
        written: &str,
        judged: &Path,
        limit: u64,
    ) -> anyhow::Result<(PathBuf, Vec<u8>)> {
        let path = self.path(key, written, judged)?;
        let what = format!("{}: {key} {}", self.file.path, path.display());
        let file = if self.is_found {
            find::ours(&path, &what)?
        } else {
            ringfence_inventory::open_named(&path).map_err(|error| Wrong::new(what.clone(), error))?
        };
        let bytes = ringfence_inventory::read_opened(file, limit).map_err(|error| Wrong::new(what, error))?;
        Ok((path, bytes))
    }
}

/// Line and column of a byte, both from 1; columns count characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before.get(start..).unwrap_or_default().chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_from_1() {
        let text = "a: 1\nß: 2\n";
        assert_eq!((place(text, 0), place(text, 5), place(text, 8)), ((1, 1), (2, 1), (2, 3)));
        assert_eq!(place(text, 999), (3, 1));
    }
    #[cfg(feature = "signing")]
    #[test]
    fn settings_hold_on_their_corpus() {
        replay::replay("settings", 5, entry::settings);
    }
}
