//! What a scan was pointed at -> an inventory: files, a cluster, files laid over a cluster.

use std::fs::File;
use std::io::BufReader;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use ringfence_inventory::Input;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::Snapshot;
use ringfence_inventory::Source;

use super::Scan;
use crate::exit::Unreachable;
use crate::exit::Usage;
use crate::exit::Wrong;
use crate::progress;
use crate::progress::Total;

/// Bytes that tell a saved scan from other files.
const HEAD: u64 = 512;

/// What was read.
pub(crate) struct Read {
    /// The source as the user knows it.
    pub(crate) source: String,
    /// Everything in it.
    pub(crate) inventory: Inventory,
    /// With `--on-cluster`: the cluster without the files.
    pub(crate) before: Option<Inventory>,
}

impl Scan {
    /// Whether a live cluster is read.
    #[cfg(feature = "cluster")]
    pub(super) fn is_of_cluster(&self) -> bool {
        self.on_cluster || self.paths.is_empty() || self.names_the_cluster()
    }

    /// `ringfence scan cluster`.
    fn names_the_cluster(&self) -> bool {
        matches!(self.paths.as_slice(), [only] if only.as_os_str() == "cluster")
    }

    /// Refuses a result in the place of a file that is scanned, or read for the scan.
    pub(super) fn spares<'f>(&self, mut results: impl Iterator<Item = &'f Path>) -> Result<(), Wrong> {
        let ends = self.paths.iter().chain(&self.prices).filter_map(|path| path.canonicalize().ok());
        let scanned: Vec<PathBuf> = ends.filter(|end| end.is_file()).collect();
        match results.find(|result| result.canonicalize().is_ok_and(|end| scanned.contains(&end))) {
            Some(result) => {
                let words = "is what is scanned, or read for it: choose another place for the result";
                Err(Wrong::new(format!("-o {}", result.display()), words))
            }
            None => Ok(()),
        }
    }

    pub(super) fn read(&self) -> anyhow::Result<Read> {
        #[cfg(feature = "cluster")]
        if self.is_of_cluster() {
            return self.read_cluster();
        }
        if self.paths.is_empty() || self.names_the_cluster() {
            let message =
                "this build has no Kubernetes client (feature `cluster`): give files or folders to scan";
            return Err(Usage(message.to_owned()).into());
        }
        #[cfg(feature = "cluster")]
        for (given, flag) in [(self.save.is_some(), "--save"), (self.selector.is_some(), "--selector")] {
            if given {
                return Err(Usage(format!("{flag} is for the scan of a cluster, without a path")).into());
            }
        }
        if let Some(read) = self.read_saved()? {
            return Ok(read);
        }
        let (source, input) = self.files()?;
        let mut options = self.options()?;
        let inventory = progress::during("reading", Total::Of(input.len(), "files"), self.quiet, |done| {
            options.done = Some(done);
            Inventory::read(input, &options)
        });
        Ok(Read { source, inventory, before: None })
    }

    /// A saved scan of a cluster, if that is what was named. It is the whole of what is scanned.
    fn read_saved(&self) -> anyhow::Result<Option<Read>> {
        let saved = self.paths.iter().filter(|path| is_saved(path));
        let saved: Vec<&PathBuf> = saved.collect();
        let Some(path) = saved.first() else { return Ok(None) };
        let name = path.display().to_string();
        if self.paths.len() > 1 {
            return Err(Usage(format!("{name} is a saved scan of a cluster: scan it alone")).into());
        }
        if !self.namespace.is_empty() {
            let message = format!("--namespace is for the scan itself: {name} holds what it was saved with");
            return Err(Usage(message).into());
        }
        let file = File::open(path).map_err(|error| Usage(format!("{name}: {error}")))?;
        let snapshot =
            Snapshot::load(BufReader::new(file)).map_err(|error| Unreachable(format!("{name}: {error}")))?;
        let inventory = Inventory::from_snapshot(snapshot, &self.options()?);
        Ok(Some(Read { source: name, inventory, before: None }))
    }

    #[cfg(feature = "cluster")]
    fn read_cluster(&self) -> anyhow::Result<Read> {
        let cluster = self.cluster.find(", or give files to scan")?;
        let words = super::cluster::words(&cluster);
        // Files that are laid over a cluster are judged against all of it.
        let narrow = if self.on_cluster { &[][..] } else { &self.namespace };
        let snapshot = self.cluster.read(&cluster, narrow, self.selector.as_deref(), self.quiet)?;
        if let Some(file) = &self.save {
            crate::output::write(Some(file), |out| snapshot.save(&ringfence_controls::Saved, out))?;
        }
        let options = self.options()?;
        if !self.on_cluster {
            let inventory = Inventory::from_snapshot(snapshot, &options);
            return Ok(Read { source: words, inventory, before: None });
        }
        let (files, input) = self.files()?;
        let before = Inventory::from_snapshot(snapshot.clone(), &options);
        let inventory = Inventory::overlay(input, snapshot, &options);
        Ok(Read { source: format!("{files} on {words}"), inventory, before: Some(before) })
    }

    /// Files as the user named them, and what is in them.
    fn files(&self) -> anyhow::Result<(String, Input)> {
        let sources: Vec<Source> = self.paths.iter().map(|path| source(path)).collect();
        let input = ringfence_inventory::collect(&sources, &self.options()?)
            .map_err(|error| Usage(error.to_string()))?;
        let names: Vec<String> = self.paths.iter().map(|path| path.display().to_string()).collect();
        Ok((names.join(" "), input))
    }

    fn options(&self) -> Result<Options, Usage> {
        let namespace = match self.namespace.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            _ if self.paths.is_empty() => None,
            _ => {
                let message =
                    "objects of files that name no namespace can only get one: give --namespace once";
                return Err(Usage(message.to_owned()));
            }
        };
        Ok(Options {
            namespace,
            partial: self.partial,
            exclude: self.exclude.clone(),
            max_file_size: self.max_file_size,
            done: None,
        })
    }
}

/// Whether a regular file begins as a saved scan does. What cannot be opened is told by whoever reads it.
fn is_saved(path: &Path) -> bool {
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut start = Vec::new();
    let read = is_file.then(|| File::open(path)?.take(HEAD).read_to_end(&mut start));
    read.is_some_and(|read| read.is_ok()) && Snapshot::is_saved(&start)
}

fn source(path: &Path) -> Source {
    if path.as_os_str() == "-" { Source::Stdin } else { Source::Path(path.to_owned()) }
}
