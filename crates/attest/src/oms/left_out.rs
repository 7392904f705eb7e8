//! Room `attest`: a path that a signature leaves out -> how many files are there, and which of them are not known to be inert.
//!
//! The question is never what a loader can load: there is no end of that list. It is what nobody loads, by place: the files
//! that git itself makes, a signature, a text about the model. Everything else counts.

use std::fs;
use std::path::Path;

use ringfence_artifact::OpenFile;
use ringfence_artifact::Source as _;
use ringfence_finding::Skipped;

use super::bundle;

mod git_config;

/// Deepest folder that is entered.
const MAX_DEPTH: usize = 64;
/// Bytes of a repository's `config` that is read; git writes some hundred.
const MAX_CONFIG: u64 = 64 << 10;
/// Files of a repository's state, at the top of `.git`; its `config` is read.
const OF_GIT: [&str; 8] =
    ["COMMIT_EDITMSG", "FETCH_HEAD", "HEAD", "ORIG_HEAD", "description", "index", "packed-refs", "shallow"];
/// Texts about a model, whatever follows the word.
const TEXTS: [&str; 3] = ["license", "notice", "readme"];
/// Endings of prose, and of images. SVG is a document with scripts, and no image here.
const INERT: [&str; 7] = ["gif", "jpeg", "jpg", "md", "png", "rst", "webp"];

/// Counts what is at and below `path`. `own` says that it is the place of a signature that was read, which may be a link. What
/// counts takes its bytes of `names`; none where they do not suffice.
pub(super) fn look(
    path: &Path,
    name: &str,
    kind: fs::FileType,
    reason: &'static str,
    own: bool,
    names: &mut usize,
) -> Option<Skipped> {
    let mut skipped = Skipped { path: name.to_owned(), reason, ..Skipped::default() };
    let own_name = name.rsplit_once('/').map_or(name, |(_, own)| own);
    let place = match own_name {
        ".git" => Place::Git,
        ".gitattributes" | ".gitignore" if kind.is_file() => Place::Inert,
        ".github" if kind.is_dir() => Place::GitHub,
        _ if (kind.is_file() || own) && is_signature(path, own) => Place::Inert,
        _ => Place::Any,
    };
    let mut count = Count { place, root: name, skipped: &mut skipped, names, is_cut: false };
    count.at(path, name, kind, 0);
    let is_whole = !count.is_cut;
    skipped.loadable.sort();
    is_whole.then_some(skipped)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Any,
    Git,
    GitHub,
    Inert,
}

struct Count<'c> {
    place: Place,
    root: &'c str,
    skipped: &'c mut Skipped,
    /// Bytes of names that may still be kept.
    names: &'c mut usize,
    is_cut: bool,
}

impl Count<'_> {
    fn at(&mut self, path: &Path, name: &str, kind: fs::FileType, depth: usize) {
        if !kind.is_dir() {
            // What a link leads to is not counted, and may be a folder of code.
            let is_inert = self.place == Place::Inert || kind.is_file() && self.is_inert(path, name);
            return self.file(name, is_inert);
        }
        // Of what is not listed nobody knows what is in it.
        let Some(entries) = (depth <= MAX_DEPTH).then(|| fs::read_dir(path).ok()).flatten() else {
            return self.file(name, false);
        };
        for entry in entries {
            if self.is_cut {
                return;
            }
            match entry.and_then(|entry| Ok((entry.file_name(), entry.path(), entry.file_type()?))) {
                Ok((own, path, kind)) => {
                    self.at(&path, &format!("{name}/{}", own.to_string_lossy()), kind, depth + 1);
                }
                Err(_) => self.file(&format!("{name}/?"), false),
            }
        }
    }

    fn file(&mut self, name: &str, is_inert: bool) {
        self.skipped.files += 1;
        if is_inert {
            return;
        }
        match self.names.checked_sub(name.len()) {
            Some(left) => {
                *self.names = left;
                self.skipped.loadable.push(name.to_owned());
            }
            None => self.is_cut = true,
        }
    }

    /// Of a regular file.
    fn is_inert(&self, path: &Path, name: &str) -> bool {
        let below = name.strip_prefix(self.root).unwrap_or(name).trim_start_matches('/');
        let own = name.rsplit_once('/').map_or(name, |(_, own)| own).to_ascii_lowercase();
        let (stem, ending) = own.rsplit_once('.').unwrap_or((&own, ""));
        match self.place {
            Place::Inert => true,
            // A file named `.git` leads to a repository that is not looked at, as a link does.
            Place::Git if below == "config" => is_inert_config(path),
            Place::Git => is_gits(below),
            Place::GitHub => !stem.is_empty() && ["md", "yaml", "yml"].contains(&ending),
            Place::Any => {
                let is_text = TEXTS.iter().any(|text| own.starts_with(text));
                is_text && ["", "txt"].contains(&ending) || !stem.is_empty() && INERT.contains(&ending)
            }
        }
    }
}

/// Whether git, or git-lfs, makes a file of this name below `.git`. Hooks are code; the samples are not run. `info/attributes`
/// chooses the programs that files go through, and git makes none.
fn is_gits(below: &str) -> bool {
    let parts: Vec<&str> = below.split('/').collect();
    match *parts.as_slice() {
        [own] => OF_GIT.contains(&own),
        ["info", "exclude" | "refs" | "sparse-checkout"]
        | ["logs" | "refs", ..]
        | ["objects", "info", "alternates" | "commit-graph" | "packs"] => true,
        ["hooks", own] => own.ends_with(".sample"),
        ["objects", "info", "commit-graphs", own] => own == "commit-graph-chain" || is_of_graph(own),
        ["objects", "pack", own] => own == "multi-pack-index" || is_pack(own),
        ["objects", two, rest] => is_hex(two, &[2]) && is_hex(rest, &[38, 62]),
        ["lfs", "objects", one, two, whole] => {
            is_hex(whole, &[64]) && whole.get(..2) == Some(one) && whole.get(2..4) == Some(two)
        }
        _ => false,
    }
}

fn is_pack(own: &str) -> bool {
    const ENDINGS: [&str; 7] = ["bitmap", "idx", "keep", "mtimes", "pack", "promisor", "rev"];
    let parts = own.strip_prefix("pack-").and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(hex, ending)| is_hex(hex, &[40, 64]) && ENDINGS.contains(&ending))
}

fn is_of_graph(own: &str) -> bool {
    let hex = own.strip_prefix("graph-").and_then(|rest| rest.strip_suffix(".graph"));
    hex.is_some_and(|hex| is_hex(hex, &[40, 64]))
}

fn is_hex(text: &str, lengths: &[usize]) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    lengths.contains(&text.len()) && text.bytes().all(digit)
}

fn is_inert_config(path: &Path) -> bool {
    whole(path, false, MAX_CONFIG).is_some_and(|bytes| git_config::is_inert(&bytes))
}

/// Whether a file is a signature: strict JSON of a form that no loader knows.
fn is_signature(path: &Path, follow: bool) -> bool {
    whole(path, follow, bundle::MAX_BYTES).is_some_and(|bytes| bundle::Bundle::read(&bytes).is_ok())
}

/// All of a file, if it has at most so many bytes and can be read.
fn whole(path: &Path, follow: bool, most: u64) -> Option<Vec<u8>> {
    let file = OpenFile::open(path, follow).ok().filter(|file| file.len() <= most)?;
    let mut bytes = vec![0; usize::try_from(file.len()).ok()?];
    file.read_at(0, &mut bytes).ok()?;
    file.verify().ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ringfence-attest-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn looked(root: &Path, name: &str) -> Skipped {
        let kind = fs::symlink_metadata(root.join(name)).unwrap().file_type();
        look(&root.join(name), name, kind, "left out", false, &mut 1000).unwrap()
    }

    /// Whether this file, alone below the first part of its path, counts.
    fn counts(root: &Path, name: &str) -> bool {
        counts_with(root, name, "x")
    }

    fn counts_with(root: &Path, name: &str, bytes: &str) -> bool {
        let top = name.split('/').next().unwrap();
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let skipped = looked(root, top);
        assert_eq!(skipped.files, 1, "{name}");
        let counts = !skipped.loadable.is_empty();
        assert!(!counts || skipped.loadable == [name], "{skipped:?}");
        let top = root.join(top);
        if top.is_dir() {
            fs::remove_dir_all(top).unwrap();
        } else {
            fs::remove_file(top).unwrap();
        }
        counts
    }

    #[test]
    fn what_is_not_known_to_be_inert_counts() {
        let root = folder("left-out");
        let hex = "0123456789abcdef".repeat(4);
        let (object, pack) = (&hex[..38], &hex[..40]);
        for inert in [
            ".git/HEAD".to_owned(),
            ".git/info/exclude".to_owned(),
            ".git/logs/refs/heads/main".to_owned(),
            ".git/refs/heads/fix.py".to_owned(),
            ".git/hooks/pre-push.sample".to_owned(),
            format!(".git/objects/ab/{object}"),
            format!(".git/objects/pack/pack-{pack}.idx"),
            format!(".git/lfs/objects/01/23/{hex}"),
            ".gitattributes".to_owned(),
            ".github/workflows/ci.yml".to_owned(),
            "docs/README".to_owned(),
            "docs/LICENSE.txt".to_owned(),
            "docs/card.md".to_owned(),
            "docs/loss.PNG".to_owned(),
        ] {
            assert!(!counts(&root, &inert), "{inert}");
        }
        for loadable in [
            ".git".to_owned(),
            ".git/weights".to_owned(),
            ".git/config".to_owned(),
            ".git/config.worktree".to_owned(),
            ".git/info/attributes".to_owned(),
            ".git/x.yml".to_owned(),
            ".git/hooks/post-checkout".to_owned(),
            ".git/objects/ab/weights".to_owned(),
            format!(".git/objects/ab/{object}.pkl"),
            format!(".git/lfs/objects/ab/cd/{hex}"),
            ".git/config/evil".to_owned(),
            ".git/sub/HEAD".to_owned(),
            ".gitattributes/weights".to_owned(),
            ".github/evil.py".to_owned(),
            ".github/.yml".to_owned(),
            "docs/README.py".to_owned(),
            "docs/vocab.txt".to_owned(),
            "docs/weights".to_owned(),
            "docs/.md".to_owned(),
            "model.sig".to_owned(),
        ] {
            assert!(counts(&root, &loadable), "{loadable}");
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_configuration_of_git_is_inert_by_what_it_says() {
        let root = folder("left-out-config");
        let bare = "[core]\n\tbare = false\n";
        assert!(!counts_with(&root, ".git/config", bare));
        for (name, bytes) in [
            (".git/config", "[core]\n\tfsmonitor = \"touch x; false\"\n"),
            (".git/config", &(bare.to_owned() + &"#".repeat(64 << 10))),
            (".git/config.worktree", bare),
            (".git/sub/config", bare),
            (".git", "gitdir: ../elsewhere\n"),
        ] {
            assert!(counts_with(&root, name, bytes), "{name}: {}", bytes.len());
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_too_deep_or_no_file_counts() {
        let root = folder("left-out-deep");
        let deep = root.join(".git/refs").join("d/".repeat(70));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("evil.py"), b"x").unwrap();
        std::os::unix::fs::symlink("..", root.join(".git/HEAD")).unwrap();
        let skipped = looked(&root, ".git");
        assert_eq!((skipped.files, skipped.loadable.len()), (2, 2), "{skipped:?}");
        assert_eq!(skipped.loadable[0], ".git/HEAD");
        // An empty folder is nothing to load.
        fs::create_dir_all(root.join("data/empty")).unwrap();
        assert_eq!(looked(&root, "data").loadable, [""; 0]);
        fs::remove_dir_all(root).unwrap();
    }
}
