//! Room `attest`: a model on disk -> its files by exact name, what was left out, and what cannot be part of a signed model.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use ringfence_finding::Skipped;

/// Deepest folder that is entered; links to folders can be nested without end.
const MAX_DEPTH: usize = 64;
/// Most files that are looked at.
const MAX_FILES: usize = 1_000_000;

/// What to leave out, and what to make of links.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Paths below the root, with the reason; all below them too.
    pub(super) ignore: BTreeMap<String, &'static str>,
    pub(super) allow_symlinks: bool,
}

/// A file to hash.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Whether it is a link to a file inside the model.
    pub(super) link: bool,
}

/// What is at a path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// By name, `/` between its parts.
    pub(super) files: BTreeMap<String, Found>,
    pub(super) skipped: Vec<Skipped>,
    /// Name and reason: links, devices, names that are not UTF-8.
    pub(super) refused: Vec<(String, String)>,
    /// Name and reason: what the system did not show.
    pub(super) unseen: Vec<(String, String)>,
    /// Whether one file was asked for.
    pub(super) single: bool,
}

/// Looks at `root`, a folder or one file; the error is the system's, for `root` itself.
pub(super) fn walk(root: &Path, rules: &Rules) -> io::Result<Tree> {
    let metadata = fs::metadata(root)?;
    let mut tree = Tree::default();
    if metadata.is_dir() {
        Walk { real: fs::canonicalize(root)?, rules, tree: &mut tree }.folder(root, "", 0);
        return Ok(tree);
    }
    let name = fs::canonicalize(root)?.file_name().map(|name| name.to_string_lossy().into_owned());
    let found = Found { path: root.to_owned(), bytes: metadata.len(), link: true };
    tree.files.insert(name.unwrap_or_else(|| ".".to_owned()), found);
    tree.single = true;
    Ok(tree)
}

struct Walk<'w> {
    /// The root without links.
    real: PathBuf,
    rules: &'w Rules,
    tree: &'w mut Tree,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, below: &str, depth: usize) {
        if depth > MAX_DEPTH {
            let why = format!("deeper than {MAX_DEPTH} folders: a loop of links?");
            return self.tree.refused.push((below.to_owned(), why));
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.tree.unseen.push((below.to_owned(), error.to_string())),
        };
        for entry in entries {
            let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_name(), entry.file_type()?)));
            match kind {
                Ok((path, own, kind)) => {
                    let name = if below.is_empty() { String::new() } else { format!("{below}/") };
                    if let Some(own) = own.to_str() {
                        self.entry(&path, &(name + own), kind, depth);
                    } else {
                        let why = "its name is not UTF-8: a signature cannot hold it".to_owned();
                        self.tree.refused.push((name + &own.to_string_lossy(), why));
                    }
                }
                Err(error) => self.tree.unseen.push((below.to_owned(), error.to_string())),
            }
        }
    }

    fn entry(&mut self, path: &Path, name: &str, kind: fs::FileType, depth: usize) {
        if let Some(reason) = self.rules.ignore.get(name) {
            let mut skipped = Skipped { path: name.to_owned(), reason, ..Skipped::default() };
            count(path, name, kind, 0, &mut skipped);
            skipped.loadable.sort();
            self.tree.skipped.push(skipped);
        } else if kind.is_symlink() {
            self.link(path, name, depth);
        } else if kind.is_dir() {
            self.folder(path, name, depth + 1);
        } else if kind.is_file() {
            self.file(path, name, fs::symlink_metadata(path), false);
        } else {
            self.tree
                .refused
                .push((name.to_owned(), "not a regular file: a pipe, socket or device".to_owned()));
        }
    }

    fn file(&mut self, path: &Path, name: &str, metadata: io::Result<fs::Metadata>, link: bool) {
        match metadata {
            Ok(_) if self.tree.files.len() >= MAX_FILES => {
                self.tree.unseen.push((name.to_owned(), format!("more than {MAX_FILES} files")));
            }
            Ok(metadata) => {
                let found = Found { path: path.to_owned(), bytes: metadata.len(), link };
                self.tree.files.insert(name.to_owned(), found);
            }
            Err(error) => self.tree.unseen.push((name.to_owned(), error.to_string())),
        }
    }

    fn link(&mut self, path: &Path, name: &str, depth: usize) {
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(error) => {
                return self.tree.refused.push((name.to_owned(), format!("a link to nowhere: {error}")));
            }
        };
        if !self.rules.allow_symlinks {
            let why = format!("a link, to {}: replace it by what it shows", target.display());
            return self.tree.refused.push((name.to_owned(), why));
        }
        if !target.starts_with(&self.real) {
            let why = format!("a link that leaves the model, to {}", target.display());
            return self.tree.refused.push((name.to_owned(), why));
        }
        match fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() && path.starts_with(&target) => {
                self.tree.refused.push((name.to_owned(), "a link to a folder around it".to_owned()));
            }
            Ok(metadata) if metadata.is_dir() => self.folder(path, name, depth + 1),
            Ok(metadata) if metadata.is_file() => self.file(path, name, Ok(metadata), true),
            Ok(_) => {
                self.tree.refused.push((name.to_owned(), "a link to what is no regular file".to_owned()));
            }
            Err(error) => self.tree.unseen.push((name.to_owned(), error.to_string())),
        }
    }
}

/// Files at and below a path that is left out, and those a loader could load.
fn count(path: &Path, name: &str, kind: fs::FileType, depth: usize, skipped: &mut Skipped) {
    if !kind.is_dir() {
        skipped.files += 1;
        if is_loadable(name) {
            skipped.loadable.push(name.to_owned());
        }
        return;
    }
    if depth > MAX_DEPTH {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if let Ok(kind) = entry.file_type() {
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            count(&entry.path(), &name, kind, depth + 1, skipped);
        }
    }
}

/// Endings of files that model loaders open: weights, code, configurations, templates.
fn is_loadable(name: &str) -> bool {
    const ENDINGS: [&str; 18] = [
        "bin",
        "ckpt",
        "gguf",
        "h5",
        "jinja",
        "joblib",
        "json",
        "keras",
        "npy",
        "npz",
        "onnx",
        "pb",
        "pickle",
        "pkl",
        "pt",
        "pth",
        "py",
        "safetensors",
    ];
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}
