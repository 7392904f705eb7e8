//! Room `artifact`: a file or folder enters, the regular files in it leave, in order, with what was passed over and why.
//!
//! Links are followed inside the folder only: what a repository names outside of itself is not part of it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Deepest folder that is entered.
const MAX_DEPTH: usize = 64;
/// Most files of one repository.
const MAX_FILES: usize = 1_000_000;

/// A file of a repository.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Entry {
    /// Path below the folder, `/` between its parts; the file's own name where a file was asked for.
    pub name: String,
    /// What to open.
    pub path: PathBuf,
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

/// Files of a repository and what else is there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    /// Regular files, sorted by name.
    pub files: Vec<Entry>,
    /// Regular files of folders that no loader is expected to read, sorted by name.
    pub hidden: Vec<Entry>,
    /// The rest, sorted by name.
    pub gaps: Vec<Gap>,
}

/// Lists what is at `root`; the error is the system's, for `root` itself.
pub fn list(root: &Path) -> std::io::Result<Listing> {
    let metadata = fs::metadata(root)?;
    let mut listing = Listing::default();
    if metadata.is_dir() {
        let real = fs::canonicalize(root)?;
        Walk { real, listing: &mut listing, hidden: false }.folder(root, "", 0);
    } else {
        let name = root.file_name().unwrap_or(root.as_os_str()).to_string_lossy().into_owned();
        listing.files.push(Entry { name, path: root.to_owned() });
    }
    listing.files.sort();
    listing.hidden.sort();
    listing.gaps.sort();
    Ok(listing)
}

struct Walk<'l> {
    /// The folder without links, to compare targets with.
    real: PathBuf,
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
        for entry in entries {
            match entry {
                Ok(entry) => {
                    let own = entry.file_name().to_string_lossy().into_owned();
                    let name = if name.is_empty() { own } else { format!("{name}/{own}") };
                    self.entry(&entry, name, depth);
                }
                Err(error) => self.gap(name, error.to_string(), true),
            }
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, name: String, depth: usize) {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && entry.file_name() == ".git" && !self.hidden => {
                self.gap(&name, "history of the repository, which no loader reads".to_owned(), false);
                self.hidden = true;
                self.folder(&path, &name, depth + 1);
                self.hidden = false;
            }
            Ok(kind) if kind.is_dir() => self.folder(&path, &name, depth + 1),
            Ok(kind) if kind.is_file() => self.file(name, path),
            Ok(kind) if kind.is_symlink() => self.link(name, &path),
            Ok(_) => self.gap(&name, "not a regular file: a pipe, socket or device".to_owned(), true),
            Err(error) => self.gap(&name, error.to_string(), true),
        }
    }

    fn file(&mut self, name: String, path: PathBuf) {
        let list = if self.hidden { &mut self.listing.hidden } else { &mut self.listing.files };
        if list.len() < MAX_FILES {
            list.push(Entry { name, path });
        } else if list.len() == MAX_FILES {
            self.gap(&name, format!("more than {MAX_FILES} files: scan the folders one by one"), true);
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
            Ok(target) => self.file(name, target),
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
        let listing = list(&folder).unwrap();
        let names: Vec<&str> = listing.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a/\u{1b}\n.bin", "a/c.json", "b.bin", "inside"]);
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
        let one = list(&folder.join("b.bin")).unwrap();
        assert_eq!((one.files.len(), one.files[0].name.as_str()), (1, "b.bin"));
        assert!(list(&folder.join("none")).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
