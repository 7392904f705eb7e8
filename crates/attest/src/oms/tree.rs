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
/// Most entries of a model that is to be signed.
pub(super) const MAX_ENTRIES: usize = 1_000_000;
/// Entries that are looked at beyond those that are signed: a tar of some kB may hold a million.
/// A test makes fewer.
pub(super) const BEYOND_SIGNED: usize = if cfg!(test) { 1000 } else { 100_000 };
/// Bytes of names, and of reasons against them, that are kept; a name may have 4096, and is kept several times over.
const MAX_NAMES: usize = 64 << 20;

/// Why what is no file is no part of a signed model.
const NO_FILE: &str = "a pipe, socket or device, where a file was expected: keep it out of the model";

/// Why a signature of this run is left out.
pub(super) const OWN: &str = "a signature itself";

/// What to leave out, what to make of links, and how much to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Paths below the root, with the reason; all below them too.
    pub(super) ignore: BTreeMap<String, &'static str>,
    /// Names that are signed, where links are followed: a link to a folder is entered only where a signed name leads through
    /// it. The folder is listed under its own name anyway, and links between folders double at each level.
    pub(super) through_links: Option<BTreeSet<String>>,
    /// Entries beyond which a look is not complete.
    pub(super) most: usize,
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
    /// Links to folders that no signed name leads through.
    pub(super) links: BTreeMap<String, Found>,
    pub(super) skipped: Vec<Skipped>,
    /// Name and reason: links, devices, names that are not UTF-8.
    pub(super) refused: Vec<(String, String)>,
    /// Name and reason: what the system did not show.
    pub(super) unseen: Vec<(String, String)>,
    /// Whether one file was asked for.
    pub(super) single: bool,
    /// Whether there is more than was looked at; it is told in `unseen`.
    pub(super) is_cut: bool,
}

impl Tree {
    /// What to open for a file of this tree.
    pub(super) fn listed(&self, found: &Found) -> Listed {
        Listed { folder: self.root.clone(), path: found.path.clone(), identity: found.identity }
    }

    /// What a later look at the same root shows in another way, with the words for it: what was hashed first may be another
    /// file by the time the last one was. What was left out may go on changing.
    pub(super) fn changed(&self, later: &Self) -> BTreeMap<String, &'static str> {
        let mut changed = BTreeMap::new();
        for (before, after) in
            [(&self.files, &later.files), (&self.folders, &later.folders), (&self.links, &later.links)]
        {
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
        let others = |tree: &Self| -> BTreeSet<String> {
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
    walk_at_most(root, rules, MAX_NAMES)
}

fn walk_at_most(root: &Path, rules: &Rules, names: usize) -> io::Result<Tree> {
    let metadata = fs::metadata(root)?;
    let mut tree = Tree::default();
    if metadata.is_dir() {
        let real = fs::canonicalize(root)?;
        tree.root = Some(Arc::new(Folder::open(&real)?));
        let (entries, links) = (rules.most, Vec::new());
        Walk { real: &real, rules, tree: &mut tree, entries, names, links }.all();
        return Ok(tree);
    }
    tree.single = true;
    // As it was typed: a loader goes by this name, and a link in a hub's cache leads to one that is a digest.
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| statement::ALONE.to_owned());
    if !metadata.is_file() {
        tree.refused.push((name, NO_FILE.to_owned()));
        return Ok(tree);
    }
    let found = Found { path: root.to_owned(), identity: Identity::of(&metadata), link: None };
    tree.files.insert(name, found);
    Ok(tree)
}

struct Walk<'w> {
    /// The root without links.
    real: &'w Path,
    rules: &'w Rules,
    tree: &'w mut Tree,
    /// Entries that may still be looked at.
    entries: usize,
    /// Bytes of names that may still be kept.
    names: usize,
    /// Links to folders that are entered when all others are listed: target, name, the link, depth.
    links: Vec<(PathBuf, String, Option<Identity>, usize)>,
}

impl Walk<'_> {
    fn all(mut self) {
        self.folder(self.real, "", None, 0);
        while let Some((target, name, link, depth)) = self.links.pop() {
            self.folder(&target, &name, link, depth);
        }
    }

    /// Takes one more entry of so many bytes, or tells that there are too many.
    fn takes(&mut self, bytes: usize) -> bool {
        let left = self.entries.checked_sub(1).zip(self.names.checked_sub(bytes));
        match left {
            _ if self.tree.is_cut => return false,
            Some((entries, names)) => (self.entries, self.names) = (entries, names),
            None => self.cut(),
        }
        left.is_some()
    }

    fn cut(&mut self) {
        self.tree.is_cut = true;
        let (entries, names) = (self.rules.most, MAX_NAMES >> 20);
        let why = format!("more than {entries} entries, or {names} MiB of names: the rest is not looked at");
        self.tree.unseen.push((".".to_owned(), why));
    }

    fn refuse(&mut self, name: &str, why: String) {
        // The entry is counted; the reason may be as long as a path.
        self.names = self.names.saturating_sub(why.len());
        self.tree.refused.push((name.to_owned(), why));
    }

    /// `folder` has no links in it.
    fn folder(&mut self, folder: &Path, below: &str, link: Option<Identity>, depth: usize) {
        if depth > MAX_DEPTH {
            return self.refuse(below, format!("deeper than {MAX_DEPTH} folders: a loop of links?"));
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
            let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_name(), entry.file_type()?)));
            match kind {
                _ if !self.takes(below.len() + kind.as_ref().map_or(0, |(_, own, _)| own.len())) => return,
                Ok((path, own, kind)) => {
                    let name = if below.is_empty() { String::new() } else { format!("{below}/") };
                    if let Some(own) = own.to_str() {
                        self.entry(&path, &(name + own), kind, depth);
                    } else {
                        let why = "its name is not UTF-8: a signature cannot hold it".to_owned();
                        self.refuse(&(name + &own.to_string_lossy()), why);
                    }
                }
                Err(error) => self.tree.unseen.push((below.to_owned(), error.to_string())),
            }
        }
    }

    fn entry(&mut self, path: &Path, name: &str, kind: fs::FileType, depth: usize) {
        if let Some(reason) = self.rules.ignore.get(name) {
            let own = *reason == OWN;
            match left_out::look(path, name, kind, reason, own, &mut self.names) {
                Some(skipped) => self.tree.skipped.push(skipped),
                None => self.cut(),
            }
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
            self.refuse(name, NO_FILE.to_owned());
        }
    }

    fn file(&mut self, path: &Path, name: &str, metadata: &fs::Metadata, link: Option<Identity>) {
        let found = self.found(path, metadata, link);
        self.tree.files.insert(name.to_owned(), found);
    }

    fn found(&self, path: &Path, metadata: &fs::Metadata, link: Option<Identity>) -> Found {
        let below = path.strip_prefix(self.real).unwrap_or(path);
        Found { path: below.to_owned(), identity: Identity::of(metadata), link }
    }

    fn link(&mut self, path: &Path, name: &str, depth: usize) {
        let looked = fs::symlink_metadata(path).and_then(|link| Ok((link, fs::canonicalize(path)?)));
        let (link, target) = match looked {
            Ok((link, target)) => (Some(Identity::of(&link)), target),
            Err(error) => return self.refuse(name, format!("a link to nowhere: {error}")),
        };
        let Some(signed) = &self.rules.through_links else {
            let why = format!("a link; replace it by what it leads to, {}", target.display());
            return self.refuse(name, why);
        };
        if !target.starts_with(self.real) {
            return self.refuse(name, format!("a link that leaves the model, to {}", target.display()));
        }
        let below = format!("{name}/");
        let leads_on = signed.range(below.clone()..).next().is_some_and(|name| name.starts_with(&below));
        match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_dir() && path.starts_with(&target) => {
                self.refuse(name, "a link to a folder around it".to_owned());
            }
            Ok(metadata) if metadata.is_dir() && leads_on => {
                self.links.push((target, name.to_owned(), link, depth + 1));
            }
            Ok(metadata) if metadata.is_dir() => {
                let found = self.found(&target, &metadata, link);
                self.tree.links.insert(name.to_owned(), found);
            }
            Ok(metadata) if metadata.is_file() => self.file(&target, name, &metadata, link),
            Ok(_) => self.refuse(name, "a link to what is no regular file".to_owned()),
            Err(error) => self.tree.unseen.push((name.to_owned(), error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("ringfence-attest-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        root
    }

    fn rules(signed: &[&str], most: usize) -> Rules {
        let names = signed.iter().map(|name| (*name).to_owned());
        Rules { ignore: BTreeMap::new(), through_links: Some(names.collect()), most }
    }

    fn names<V>(found: &BTreeMap<String, V>) -> Vec<&str> {
        found.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_link_to_a_folder_is_entered_where_signed_names_lead_through_it() {
        let root = folder("links");
        // Each folder is reached in two ways from the one before: 2^40 ways to the last.
        for level in 0..40 {
            let folder = root.join(format!("level-{level:02}"));
            fs::create_dir_all(&folder).unwrap();
            for way in ["left", "right"] {
                symlink(format!("../level-{:02}", level + 1), folder.join(way)).unwrap();
            }
        }
        fs::create_dir_all(root.join("level-40")).unwrap();
        fs::write(root.join("level-02/x"), b"x").unwrap();
        let tree = walk(&root, &rules(&["level-02/x", "level-00/left/right/x"], 1000)).unwrap();
        assert!(tree.unseen.is_empty() && tree.refused.is_empty() && !tree.is_cut);
        assert_eq!(names(&tree.files), ["level-00/left/right/x", "level-02/x"]);
        // All but one that was entered, one beside the next that was, and two at the end.
        assert_eq!(tree.links.len(), 80 - 1 + 1 + 2);
        assert!(tree.links.contains_key("level-00/right") && !tree.links.contains_key("level-00/left"));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_link_to_a_folder_around_it_is_refused_however_the_root_was_typed() {
        let root = folder("loop");
        fs::create_dir_all(root.join("m/sub")).unwrap();
        symlink(".", root.join("m/x")).unwrap();
        symlink("m", root.join("link")).unwrap();
        for typed in ["m", "m/sub/..", "m/.", "link"] {
            let tree = walk(&root.join(typed), &rules(&["x/x/file"], 1000)).unwrap();
            assert_eq!(
                tree.refused,
                [("x".to_owned(), "a link to a folder around it".to_owned())],
                "{typed}"
            );
        }
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn too_many_entries_or_too_long_names_are_not_looked_at_to_the_end() {
        let root = folder("many");
        for number in 0..20 {
            fs::write(root.join(format!("{number:010}")), b"").unwrap();
        }
        assert!(!walk(&root, &rules(&[], 20)).unwrap().is_cut);
        let tree = walk(&root, &rules(&[], 19)).unwrap();
        assert_eq!((tree.is_cut, tree.files.len(), tree.unseen.len()), (true, 19, 1));
        assert!(!walk_at_most(&root, &rules(&[], 20), 200).unwrap().is_cut);
        let tree = walk_at_most(&root, &rules(&[], 20), 199).unwrap();
        assert_eq!((tree.is_cut, tree.files.len(), tree.unseen.len()), (true, 19, 1));
        // What is left out, and counts, takes its part of the names.
        let left_out = BTreeMap::from([("data".to_owned(), "left out")]);
        let rules = Rules { ignore: left_out, through_links: None, most: 100 };
        fs::create_dir_all(root.join("data")).unwrap();
        fs::write(root.join("data/0123456789"), b"").unwrap();
        let (most, own) = (204, "data/0123456789".len());
        assert!(!walk_at_most(&root, &rules, most + own).unwrap().is_cut);
        assert!(walk_at_most(&root, &rules, most + own - 1).unwrap().is_cut);
        fs::remove_dir_all(&root).unwrap();
    }
}
