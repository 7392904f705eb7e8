//! Room `attest`: a model on disk -> its files by exact name, what was left out, and what cannot be part of a signed model.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use ringfence_artifact::Folder;
use ringfence_artifact::Identity;
use ringfence_artifact::Listed;
use ringfence_finding::Skipped;

use super::left_out;
use super::statement;

/// Deepest folder that is entered; links to folders can be nested without end.
const MAX_DEPTH: usize = 64;
/// Most entries that are looked at. Links between folders double at each level, so folders count too.
const MAX_ENTRIES: usize = 1_000_000;

/// Why a signature of this run is left out.
pub(super) const OWN: &str = "a signature itself";

/// What to leave out, and what to make of links.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Paths below the root, with the reason; all below them too.
    pub(super) ignore: BTreeMap<String, &'static str>,
    pub(super) allow_symlinks: bool,
}

/// A file or folder, as it was at the look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is, below the root and without links; of a model of one file the path as it was typed.
    path: PathBuf,
    pub(super) identity: Identity,
    /// The link by which it was come to.
    link: Option<Identity>,
}

/// What is at a path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The root, open; none where one file was asked for.
    root: Option<Arc<Folder>>,
    /// By name, `/` between its parts.
    pub(super) files: BTreeMap<String, Found>,
    /// The folders that were listed; the root has no name.
    folders: BTreeMap<String, Found>,
    pub(super) skipped: Vec<Skipped>,
    /// Name and reason: links, devices, names that are not UTF-8.
    pub(super) refused: Vec<(String, String)>,
    /// Name and reason: what the system did not show.
    pub(super) unseen: Vec<(String, String)>,
    /// Whether one file was asked for.
    pub(super) single: bool,
}

impl Tree {
    /// What to open for a file of this tree.
    pub(super) fn listed(&self, found: &Found) -> Listed {
        Listed { folder: self.root.clone(), path: found.path.clone(), identity: found.identity }
    }

    /// What a later look at the same root shows in another way, with the words for it: what was hashed first may be another
    /// file by the time the last one was. What was left out may go on changing.
    pub(super) fn changed(&self, later: &Tree) -> BTreeMap<String, &'static str> {
        let mut changed = BTreeMap::new();
        for (before, after) in [(&self.files, &later.files), (&self.folders, &later.folders)] {
            for name in before.keys().chain(after.keys()) {
                let how = match (before.get(name), after.get(name)) {
                    (Some(before), Some(after)) if before == after => continue,
                    (Some(_), Some(_)) => "changed while it was read",
                    (Some(_), None) => "changed while it was read: it is not there any more",
                    (None, _) => "changed while it was read: it was not there before",
                };
                let name = if name.is_empty() { "." } else { name };
                changed.insert(name.to_owned(), how);
            }
        }
        let others = |tree: &Tree| -> BTreeSet<String> {
            tree.refused.iter().chain(&tree.unseen).map(|(name, _)| name.clone()).collect()
        };
        for name in others(self).symmetric_difference(&others(later)) {
            changed.entry(name.clone()).or_insert("changed while it was read");
        }
        changed
    }
}

/// Looks at `root`, a folder or one file; the error is the system's, for `root` itself.
pub(super) fn walk(root: &Path, rules: &Rules) -> io::Result<Tree> {
    walk_at_most(root, rules, MAX_ENTRIES)
}

fn walk_at_most(root: &Path, rules: &Rules, most: usize) -> io::Result<Tree> {
    let metadata = fs::metadata(root)?;
    let mut tree = Tree::default();
    if metadata.is_dir() {
        let real = fs::canonicalize(root)?;
        tree.root = Some(Arc::new(Folder::open(&real)?));
        Walk { real: real.clone(), rules, tree: &mut tree, left: most }.folder(&real, "", None, 0);
        return Ok(tree);
    }
    // As it was typed: a loader goes by this name, and a link in a hub's cache leads to one that is a digest.
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
    let found = Found { path: root.to_owned(), identity: Identity::of(&metadata), link: None };
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
    /// `folder` has no links in it.
    fn folder(&mut self, folder: &Path, below: &str, link: Option<Identity>, depth: usize) {
        if depth > MAX_DEPTH {
            let why = format!("deeper than {MAX_DEPTH} folders: a loop of links?");
            return self.tree.refused.push((below.to_owned(), why));
        }
        // Before it is listed: what comes into it later changes it.
        match fs::symlink_metadata(folder) {
            Ok(metadata) => {
                let found = self.found(folder, &metadata, link);
                self.tree.folders.insert(below.to_owned(), found);
            }
            Err(error) => return self.tree.unseen.push((below.to_owned(), error.to_string())),
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
            let own = *reason == OWN;
            self.tree.skipped.push(left_out::look(path, name, kind, reason, own));
        } else if kind.is_symlink() {
            self.link(path, name, depth);
        } else if kind.is_dir() {
            self.folder(path, name, None, depth + 1);
        } else if kind.is_file() {
            match fs::symlink_metadata(path) {
                Ok(metadata) => self.file(path, name, &metadata, None),
                Err(error) => self.tree.unseen.push((name.to_owned(), error.to_string())),
            }
        } else {
            self.tree
                .refused
                .push((name.to_owned(), "not a regular file: a pipe, socket or device".to_owned()));
        }
    }

    fn file(&mut self, path: &Path, name: &str, metadata: &fs::Metadata, link: Option<Identity>) {
        let found = self.found(path, metadata, link);
        self.tree.files.insert(name.to_owned(), found);
    }

    fn found(&self, path: &Path, metadata: &fs::Metadata, link: Option<Identity>) -> Found {
        let below = path.strip_prefix(&self.real).unwrap_or(path);
        Found { path: below.to_owned(), identity: Identity::of(metadata), link }
    }

    fn link(&mut self, path: &Path, name: &str, depth: usize) {
        let looked = fs::symlink_metadata(path).and_then(|link| Ok((link, fs::canonicalize(path)?)));
        let (link, target) = match looked {
            Ok((link, target)) => (Some(Identity::of(&link)), target),
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
        match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_dir() && path.starts_with(&target) => {
                self.tree.refused.push((name.to_owned(), "a link to a folder around it".to_owned()));
            }
            Ok(metadata) if metadata.is_dir() => self.folder(&target, name, link, depth + 1),
            Ok(metadata) if metadata.is_file() => self.file(&target, name, &metadata, link),
            Ok(_) => {
                self.tree.refused.push((name.to_owned(), "a link to what is no regular file".to_owned()));
            }
            Err(error) => self.tree.unseen.push((name.to_owned(), error.to_string())),
        }
    }
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
