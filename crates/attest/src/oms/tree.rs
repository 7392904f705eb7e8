//! Room `attest`: a model on disk -> its files by exact name, what was left out, and what cannot be part of a signed model.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use ringfence_finding::Skipped;

use super::statement;

/// Deepest folder that is entered; links to folders can be nested without end.
const MAX_DEPTH: usize = 64;
/// Most entries that are looked at. Links between folders double at each level, so folders count too.
const MAX_ENTRIES: usize = 1_000_000;

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
    walk_at_most(root, rules, MAX_ENTRIES)
}

fn walk_at_most(root: &Path, rules: &Rules, most: usize) -> io::Result<Tree> {
    let metadata = fs::metadata(root)?;
    let mut tree = Tree::default();
    if metadata.is_dir() {
        Walk { real: fs::canonicalize(root)?, rules, tree: &mut tree, left: most }.folder(root, "", 0);
        return Ok(tree);
    }
    // As it was typed: a loader goes by this name, and a link in a hub's cache leads to one that is a digest.
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
    let found = Found { path: root.to_owned(), bytes: metadata.len(), link: true };
    tree.files.insert(name.unwrap_or_else(|| statement::ALONE.to_owned()), found);
    tree.single = true;
    Ok(tree)
}

struct Walk<'w> {
    /// The root without links.
    real: PathBuf,
    rules: &'w Rules,
    tree: &'w mut Tree,
    /// Entries that may still be looked at; none: it was told.
    left: usize,
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
            match self.left {
                0 => return,
                1 => {
                    let why = "more entries than are looked at: links that lead to links?".to_owned();
                    self.tree.unseen.push((below.to_owned(), why));
                }
                _ => {}
            }
            self.left -= 1;
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
            let why = format!("a link; replace it by what it leads to, {}", target.display());
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
        // What a link leads to is not counted, and may be a folder of code.
        if is_loadable(name) || kind.is_symlink() {
            skipped.loadable.push(name.to_owned());
        }
        return;
    }
    if depth > MAX_DEPTH {
        return;
    }
    // Of what cannot be listed nobody knows what is in it.
    let Ok(entries) = fs::read_dir(path) else { return skipped.loadable.push(name.to_owned()) };
    for entry in entries.flatten() {
        if let Ok(kind) = entry.file_type() {
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            count(&entry.path(), &name, kind, depth + 1, skipped);
        }
    }
}

/// Endings of files that model loaders open: weights, code, configurations, templates.
fn is_loadable(name: &str) -> bool {
    const ENDINGS: [&str; 28] = [
        "bin",
        "ckpt",
        "gguf",
        "dll",
        "dylib",
        "h5",
        "hdf5",
        "ipynb",
        "jinja",
        "joblib",
        "json",
        "keras",
        "nemo",
        "npy",
        "npz",
        "onnx",
        "pb",
        "pickle",
        "pkl",
        "pt",
        "pth",
        "py",
        "pyc",
        "pyd",
        "safetensors",
        "sh",
        "so",
        "yaml",
    ];
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_that_lead_to_links_end() {
        let root = std::env::temp_dir().join(format!("ringfence-attest-links-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let rules = Rules { allow_symlinks: true, ..Rules::default() };
        // Each folder is reached in two ways from the one before: 2^40 ways to the last.
        for level in 0..40 {
            let folder = root.join(format!("level-{level}"));
            fs::create_dir_all(&folder).unwrap();
            for way in ["left", "right"] {
                symlink(format!("../level-{}", level + 1), folder.join(way)).unwrap();
            }
        }
        fs::create_dir_all(root.join("level-40")).unwrap();
        let tree = walk_at_most(&root, &rules, 1000).unwrap();
        assert_eq!(tree.unseen.len(), 1, "{:?}", tree.unseen);
        assert!(tree.files.is_empty());
        // What fits is whole.
        fs::remove_dir_all(&root).unwrap();
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("a/x"), b"x").unwrap();
        symlink("a", root.join("b")).unwrap();
        let tree = walk_at_most(&root, &rules, 1000).unwrap();
        assert_eq!(tree.files.keys().collect::<Vec<_>>(), ["a/x", "b/x"]);
        assert!(tree.unseen.is_empty() && tree.refused.is_empty());
        fs::remove_dir_all(&root).unwrap();
    }
}
