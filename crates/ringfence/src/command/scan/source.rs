//! What a scan was pointed at -> an inventory: files, a cluster, files laid over a cluster.

use std::path::Path;

use ringfence_inventory::Input;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::Source;

use super::Scan;
use crate::exit::Usage;
use crate::progress;
use crate::progress::Total;

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
        let (source, input) = self.files()?;
        let mut options = self.options()?;
        let inventory = progress::during("reading", Total::Of(input.len(), "files"), self.quiet, |done| {
            options.done = Some(done);
            Inventory::read(input, &options)
        });
        Ok(Read { source, inventory, before: None })
    }

    #[cfg(feature = "cluster")]
    fn read_cluster(&self) -> anyhow::Result<Read> {
        let cluster = self.cluster.find()?;
        let words = super::cluster::words(&cluster);
        // Files that are laid over a cluster are judged against all of it.
        let narrow = if self.on_cluster { &[][..] } else { &self.namespace };
        let snapshot = self.cluster.read(&cluster, narrow, self.selector.as_deref(), self.quiet)?;
        // SAVE
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

fn source(path: &Path) -> Source {
    if path.as_os_str() == "-" { Source::Stdin } else { Source::Path(path.to_owned()) }
}
