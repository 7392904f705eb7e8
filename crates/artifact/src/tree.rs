//! Room `artifact`: a file or folder enters, the regular files in it leave, in order, with what was passed over and why.
//!
//! Links are followed inside the folder only: what a repository names outside of itself is not part of it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// Deepest folder that is entered.
const MAX_DEPTH: usize = 64;
/// Most files of one repository.
const MAX_FILES: usize = 1_000_000;

/// A file of a repository. In order by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Path below the folder, `/` between its parts; the file's own name where a file was asked for.
    pub name: String,
    place: Place,
}

/// What to open. Most files are told by their folder, which all of them share: a repository may have a million.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    /// In this folder, under the last part of the name.
    In(Arc<Path>),
    /// The end of a link, or a name that is no text.
    At(PathBuf),
}

impl Entry {
    /// What to open.
    pub fn path(&self) -> Cow<'_, Path> {
        match &self.place {
            Place::At(path) => Cow::Borrowed(path),
            Place::In(folder) => {
                let own = self.name.rsplit_once('/').map_or(self.name.as_str(), |(_, own)| own);
                Cow::Owned(folder.join(own))
            }
        }
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // Names that are no text may look the same.
        self.name.cmp(&other.name).then_with(|| self.path().cmp(&other.path()))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Something that was met and not listed as a file.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Gap {
    /// Path below the folder.
    pub name: String,
    /// Why it is not read, and what to do.
    pub why: String,
    /// Whether a loader may read it all the same: then the repository was not wholly looked at.
    pub counts: bool,
}

/// What is in a repository beside its files.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    /// Regular files of folders that no loader is expected to read, sorted by name.
    pub hidden: Vec<Entry>,
    /// The rest, sorted by name.
    pub gaps: Vec<Gap>,
}

/// Lists what is at `root`, and gives its regular files to `found` as they are met, in no order; the error is the system's,
/// for `root` itself.
pub fn list(root: &Path, found: &mut dyn FnMut(Entry)) -> std::io::Result<Listing> {
    let metadata = fs::metadata(root)?;
    let mut listing = Listing::default();
    if metadata.is_dir() {
        let real = fs::canonicalize(root)?;
        Walk { real, found, count: 0, listing: &mut listing, hidden: false }.folder(root, "", 0);
    } else {
        let name = root.file_name().unwrap_or(root.as_os_str()).to_string_lossy().into_owned();
        found(Entry { name, place: Place::At(root.to_owned()) });
    }
    listing.hidden.sort();
    listing.gaps.sort();
    Ok(listing)
}

struct Walk<'l> {
    /// The folder without links, to compare targets with.
    real: PathBuf,
    found: &'l mut dyn FnMut(Entry),
    /// Files that were found.
    count: usize,
    listing: &'l mut Listing,
    /// Inside of a folder that no loader is expected to read.
    hidden: bool,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, name: &str, depth: usize) {
        if depth > MAX_DEPTH {
            return self.gap(name, format!("deeper than {MAX_DEPTH} folders: scan it by itself"), true);
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.gap(name, error.to_string(), true),
        };
        let shared: Arc<Path> = Arc::from(folder);
        for entry in entries {
            match entry {
                Ok(entry) => {
                    let (own, folder) = match entry.file_name().into_string() {
                        Ok(own) => (own, Some(&shared)),
                        Err(own) => (own.to_string_lossy().into_owned(), None),
                    };
                    let name = if name.is_empty() { own } else { format!("{name}/{own}") };
                    self.entry(&entry, name, folder, depth);
                }
                Err(error) => self.gap(name, error.to_string(), true),
            }
        }
    }

    /// `folder` is given where the name is text, and so leads to the entry.
    fn entry(&mut self, entry: &fs::DirEntry, name: String, folder: Option<&Arc<Path>>, depth: usize) {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && entry.file_name() == ".git" && !self.hidden => {
                self.gap(&name, "history of the repository, which no loader reads".to_owned(), false);
                self.hidden = true;
                self.folder(&entry.path(), &name, depth + 1);
                self.hidden = false;
            }
            Ok(kind) if kind.is_dir() => self.folder(&entry.path(), &name, depth + 1),
            Ok(kind) if kind.is_file() => {
                let place =
                    folder.map_or_else(|| Place::At(entry.path()), |folder| Place::In(Arc::clone(folder)));
                self.file(name, place);
            }
            Ok(kind) if kind.is_symlink() => self.link(name, &entry.path()),
            Ok(_) => self.gap(&name, "a pipe, socket or device, where a file was expected".to_owned(), true),
            Err(error) => self.gap(&name, error.to_string(), true),
        }
    }

    fn file(&mut self, name: String, place: Place) {
        let count = if self.hidden { self.listing.hidden.len() } else { self.count };
        if count == MAX_FILES {
            return self.gap(
                &name,
                format!("more than {MAX_FILES} files: scan the folders one by one"),
                true,
            );
        }
        let entry = Entry { name, place };
        if self.hidden {
            self.listing.hidden.push(entry);
        } else {
            self.count += 1;
            (self.found)(entry);
        }
    }

    fn link(&mut self, name: String, path: &Path) {
        match fs::canonicalize(path) {
            // What it names is listed under its own name, or no part of what is loaded.
            _ if self.hidden => {}
            Ok(target) if !target.starts_with(&self.real) => {
                let why = format!(
                    "a link that leaves the folder; scan what it leads to as well, {}",
                    target.display()
                );
                self.gap(&name, why, true);
            }
            // A folder inside is walked under its own name; following the link as well could run in a circle.
            Ok(target) if target.is_dir() => {
                self.gap(&name, "a link to a folder that is scanned under its own name".to_owned(), false);
            }
            Ok(target) => self.file(name, Place::At(target)),
            Err(error) => self.gap(&name, format!("a link that leads nowhere: {error}"), true),
        }
    }

    fn gap(&mut self, name: &str, why: String, counts: bool) {
        let counts = counts && !self.hidden;
        self.listing.gaps.push(Gap { name: name.to_owned(), why, counts });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_files_in_order_and_says_what_it_passed_over() {
        let folder = std::env::temp_dir().join(format!("ringfence-artifact-tree-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for name in ["b.bin", "a/c.json", "a/.git/x", "a/\u{1b}\n.bin"] {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        for (target, link) in [
            ("b.bin", "inside"),
            ("/etc/passwd", "outside"),
            ("..", "a/up"),
            ("../..", "a/out"),
            ("loop", "loop"),
            ("gone", "dangling"),
        ] {
            std::os::unix::fs::symlink(target, folder.join(link)).unwrap();
        }
        let (files, listing) = listed(&folder);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a/\u{1b}\n.bin", "a/c.json", "b.bin", "inside"]);
        let real = folder.canonicalize().unwrap();
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path().canonicalize().unwrap()).collect();
        assert_eq!(paths, ["a/\u{1b}\n.bin", "a/c.json", "b.bin", "b.bin"].map(|name| real.join(name)));
        let hidden: Vec<&str> = listing.hidden.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(hidden, ["a/.git/x"]);
        let gaps: Vec<(&str, bool)> =
            listing.gaps.iter().map(|gap| (gap.name.as_str(), gap.counts)).collect();
        assert_eq!(
            gaps,
            [
                ("a/.git", false),
                ("a/out", true),
                ("a/up", false),
                ("dangling", true),
                ("loop", true),
                ("outside", true)
            ]
        );
        let (one, _) = listed(&folder.join("b.bin"));
        assert_eq!((one.len(), one[0].name.as_str(), &*one[0].path()), (1, "b.bin", &*folder.join("b.bin")));
        assert!(list(&folder.join("none"), &mut |_| ()).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn names_that_are_no_text_and_look_the_same_keep_their_files_and_one_order() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = std::env::temp_dir().join(format!("ringfence-artifact-names-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("a")).unwrap();
        let names = [&b"a/\xc3"[..], b"a/\xef\xbf\xbd", b"a/\xff"].map(std::ffi::OsStr::from_bytes);
        for name in names {
            fs::write(folder.join(name), name.as_bytes()).unwrap();
        }
        let (files, _) = listed(&folder);
        assert!(files.iter().all(|file| file.name == "a/\u{fffd}"));
        let read: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file.path()).unwrap()).collect();
        assert_eq!(read, names.map(std::ffi::OsStr::as_bytes));
        fs::remove_dir_all(folder).unwrap();
    }

    /// The files at `root` in order, and the rest.
    fn listed(root: &Path) -> (Vec<Entry>, Listing) {
        let mut files = Vec::new();
        let listing = list(root, &mut |file| files.push(file)).unwrap();
        files.sort();
        (files, listing)
    }
}
