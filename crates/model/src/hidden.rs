//! Room `model`: a file in the folder of git, where no tool looks -> whether it is told, and as what. Tools pass the folder
//! over; a loader does not, where a configuration says `".git/d"`.
//!
//! Told is what a loader could load, and whatever git and git-lfs do not make: by its name, and where they choose names freely
//! (references, their logs) or write what is run (hooks) by its content too.

use ringfence_artifact::Entry;
use ringfence_artifact::Head;
use ringfence_artifact::OpenFile;
use ringfence_artifact::Source;
use ringfence_finding::GapReason;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelPlace;
use ringfence_finding::Verdict;

use crate::repository;
use crate::repository::Judged;
use crate::sniff;
use crate::sniff::Format;
use crate::threat;

/// Why a file there is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It has a format that is loaded.
    Loadable,
    /// Git does not make it.
    Foreign,
}

/// Why a file is told; none where git made it and nobody loads it.
pub(crate) fn why(entry: &Entry) -> Option<Why> {
    let open = OpenFile::open(entry.path(), false).map(Head::new);
    let source = open.as_ref().map(|open| open as &dyn Source);
    // joblib loads a packed file whatever it is called; git packs each of its own objects.
    let is_object = parts(&entry.name).is_some_and(|parts| is_object(&parts));
    let counts = |format: Format| format.is_loadable() || format.is_packed() && !is_object;
    // What cannot be opened or recognised and has a name of git's is not part of what is loaded.
    if source.is_ok_and(|source| sniff::formats(source).is_ok_and(|all| all.into_iter().any(counts))) {
        return Some(Why::Loadable);
    }
    let head = source.map(head).unwrap_or_default();
    (!parts(&entry.name).is_some_and(|parts| is_gits(&parts, &head))).then_some(Why::Foreign)
}

/// What is told of a file that was judged.
pub(crate) fn told(judged: Judged, why: Why) -> ModelFile {
    let mut file = repository::alone(judged);
    let place = ModelPlace { path: file.path.clone(), offset: 0 };
    match why {
        Why::Loadable if parts(&file.path).is_some_and(|parts| is_cached(&parts)) => {}
        Why::Loadable => {
            let message = "a file that can be loaded, in a folder that no tool looks into".to_owned();
            file.findings.push(threat::OTHER_CONTENT.finding(Verdict::Review, place, message));
            file.verdict = file.verdict.max(Verdict::Review);
        }
        Why::Foreign => {
            let message = "a file that git does not make, in a folder that no tool looks into".to_owned();
            file.gaps.push(ModelGap { reason: GapReason::Unexplained, place, bytes: None, message });
            file.verdict = file.verdict.max(Verdict::Incomplete);
        }
    }
    file
}

/// Bytes of a file that say whether it is a reference, a log or a hook.
const HEAD: usize = 1024;

fn head(source: &dyn Source) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    let got = source.read_at(0, &mut bytes).unwrap_or_default();
    bytes.truncate(got);
    bytes
}

/// The parts of a path below the folder of git; none where it is not in one.
fn parts(name: &str) -> Option<Vec<&str>> {
    let mut parts = name.split('/');
    parts.find(|part| *part == ".git")?;
    Some(parts.collect())
}

/// Whether git, or git-lfs, makes such a file.
fn is_gits(parts: &[&str], head: &[u8]) -> bool {
    match *parts {
        // Submodules, whose names may have slashes, and other work trees: each a folder of git's own.
        ["modules" | "worktrees", _, ref rest @ ..] => {
            (0..rest.len()).any(|at| rest.get(at..).is_some_and(|tail| is_own(tail, head)))
        }
        _ => is_own(parts, head),
    }
}

/// Files of a repository's state, at the top of `.git`.
const OF_GIT: [&str; 24] = [
    "AUTO_MERGE",
    "CHERRY_PICK_HEAD",
    "COMMIT_EDITMSG",
    "FETCH_HEAD",
    "HEAD",
    "MERGE_HEAD",
    "MERGE_MODE",
    "MERGE_MSG",
    "ORIG_HEAD",
    "REBASE_HEAD",
    "REVERT_HEAD",
    "SQUASH_MSG",
    "TAG_EDITMSG",
    "commondir",
    "config",
    "config.worktree",
    "description",
    "gc.log",
    "gc.pid",
    "gitdir",
    "index",
    "locked",
    "packed-refs",
    "shallow",
];

fn is_own(parts: &[&str], head: &[u8]) -> bool {
    match *parts {
        [own] => {
            OF_GIT.contains(&own)
                || own.strip_prefix("sharedindex.").is_some_and(|hex| is_hex(hex, &[40, 64]))
        }
        ["info", "attributes" | "exclude" | "grafts" | "refs" | "sparse-checkout"]
        | ["objects", "info", "alternates" | "commit-graph" | "http-alternates" | "packs"]
        | ["objects", "pack", "multi-pack-index"]
        | ["objects", "info", "commit-graphs", "commit-graph-chain"]
        | ["lfs", "lockcache.db"]
        | ["lfs", "cache", "locks", .., "verifiable"] => true,
        ["refs", ..] => is_reference(head),
        ["logs", ..] => is_log(head),
        ["hooks", own] => own.ends_with(".sample") || is_hook_of_lfs(own, head),
        ["objects", "info", "commit-graphs", own] => is_named(own, "graph-", &["graph"]),
        ["objects", "pack", own] => {
            is_named(own, "pack-", &["bitmap", "idx", "keep", "mtimes", "pack", "promisor", "rev"])
        }
        _ => is_object(parts) || is_cached(parts),
    }
}

/// Loose objects of git: `objects/ab/` and the rest of a digest of 20 or 32 bytes.
fn is_object(parts: &[&str]) -> bool {
    matches!(*parts, ["objects", first, rest] if is_hex(first, &[2]) && is_hex(rest, &[38, 62]))
}

/// Large files as git-lfs keeps them beside those of the work tree: `lfs/objects/ab/cd/` and a digest.
fn is_cached(parts: &[&str]) -> bool {
    matches!(*parts, ["lfs", "objects", first, second, digest]
        if is_hex(digest, &[64]) && digest.get(..2) == Some(first) && digest.get(2..4) == Some(second))
}

/// `pack-0123....idx`.
fn is_named(own: &str, begin: &str, endings: &[&str]) -> bool {
    let named = own.strip_prefix(begin).and_then(|rest| rest.split_once('.'));
    named.is_some_and(|(hex, ending)| is_hex(hex, &[40, 64]) && endings.contains(&ending))
}

fn is_hex(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A digest, or the name of another reference. Its own name is whatever somebody called a branch.
fn is_reference(head: &[u8]) -> bool {
    let text = std::str::from_utf8(head).unwrap_or_default();
    let text = text.strip_suffix('\n').unwrap_or(text);
    is_hex(text, &[40, 64]) || text.strip_prefix("ref: refs/").is_some_and(|rest| !rest.contains('\n'))
}

/// Lines that begin with two digests, or none.
fn is_log(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut words = text.split(' ');
    let mut is_digest = || words.next().is_some_and(|word| is_hex(word, &[40, 64]));
    head.is_empty() || is_digest() && is_digest()
}

/// The hooks that git-lfs installs by itself in a clone, `lfs/hook.go`: a message where it is missing, and a call of it.
fn is_hook_of_lfs(own: &str, head: &[u8]) -> bool {
    let text = std::str::from_utf8(head).unwrap_or_default();
    let lines: Vec<&str> = text.trim_end().split('\n').collect();
    let ["#!/bin/sh", missing, call] = *lines else { return false };
    let message = missing
        .strip_prefix("command -v git-lfs >/dev/null 2>&1 || { ")
        .and_then(|rest| rest.strip_suffix("; exit 2; }"));
    matches!(own, "post-checkout" | "post-commit" | "post-merge" | "pre-push")
        && head.len() < HEAD
        && call == format!("git lfs {own} \"$@\"")
        && message.is_some_and(is_message)
}

/// Whether a command of a shell prints quoted texts, in which nothing is replaced.
fn is_message(command: &str) -> bool {
    command.split('"').enumerate().all(|(at, part)| {
        if at % 2 == 0 {
            matches!(part, "" | " " | "echo >&2 " | "printf >&2 ")
        } else {
            !part.contains(['$', '`']) && !part.ends_with('\\')
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0123456789abcdef0123456789abcdef01234567";

    fn is_known(name: &str, head: &str) -> bool {
        is_gits(&parts(name).unwrap(), head.as_bytes())
    }

    #[test]
    fn what_git_makes_is_known_by_name_and_where_names_are_free_by_content() {
        let (reference, object, pack) = (format!("{DIGEST}\n"), &DIGEST[..38], DIGEST);
        let log = format!("{DIGEST} {DIGEST} A <a@b> 1700000000 +0000\tclone: from x\n");
        for (name, head) in [
            ("a/.git/HEAD".to_owned(), "ref: refs/heads/main\n"),
            (".git/config".to_owned(), "[core]\n"),
            (".git/refs/heads/fix.py".to_owned(), &reference),
            (".git/refs/remotes/origin/HEAD".to_owned(), "ref: refs/remotes/origin/main\n"),
            (".git/logs/refs/heads/main".to_owned(), &log),
            (".git/logs/HEAD".to_owned(), ""),
            (".git/hooks/pre-push.sample".to_owned(), "#!/bin/sh\n"),
            (format!(".git/objects/ab/{object}"), "x"),
            (format!(".git/objects/pack/pack-{pack}.idx"), "\u{7f}"),
            (format!(".git/objects/info/commit-graphs/graph-{pack}.graph"), "CGPH"),
            (".git/modules/libs/ggml/index".to_owned(), "DIRC"),
            (".git/modules/a/refs/heads/main".to_owned(), &reference),
            (".git/worktrees/w/gitdir".to_owned(), "/w/.git\n"),
        ] {
            assert!(is_known(&name, head), "{name}");
        }
        for (name, head) in [
            (".git/d/config.json".to_owned(), "{}"),
            (".git/x.py".to_owned(), "1\n"),
            (".git/refs/x/config.json".to_owned(), "{\"auto_map\": {}}"),
            (".git/refs/heads/x".to_owned(), "ref: refs/heads/a\n{}"),
            (".git/logs/chat_template.jinja".to_owned(), "{{ x }}"),
            (".git/info/x".to_owned(), ""),
            (".git/hooks/post-checkout".to_owned(), "#!/bin/sh\nid\n"),
            (".git/objects/ab/x".to_owned(), "x"),
            (".git/objects/pack/pack-x.idx".to_owned(), "x"),
            (".git/modules/a/config.json".to_owned(), "{}"),
            (".git/modules/HEAD/x".to_owned(), "{}"),
        ] {
            assert!(!is_known(&name, head), "{name}");
        }
        assert!(parts("git/HEAD").is_none());
    }

    #[test]
    fn a_hook_of_git_lfs_is_known_as_it_stands() {
        let hook = |message: &str| {
            format!(
                "#!/bin/sh\ncommand -v git-lfs >/dev/null 2>&1 || {{ {message}; exit 2; }}\ngit lfs pre-push \"$@\"\n"
            )
        };
        let of_today = hook("printf >&2 \"\\n%s\\n\\n\" \"'git-lfs' was not found; '.git/hooks'.\"");
        for text in [&of_today, &hook("echo >&2 \"\\nThis repository is configured for Git LFS.\\n\"")] {
            assert!(is_known(".git/hooks/pre-push", text), "{text}");
            assert!(!is_known(".git/hooks/post-merge", text), "it calls another");
            assert!(!is_known(".git/hooks/pre-push", &format!("{text}id\n")));
        }
        for message in [
            "id",
            "echo >&2 \"$(id)\"",
            "echo >&2 \"`id`\"",
            "echo >&2 \"a\"; id; \"b\"",
            "echo >&2 \"a\\\" \"; id\"",
            "echo >&2 \"a\" | sh",
        ] {
            assert!(!is_known(".git/hooks/pre-push", &hook(message)), "{message}");
        }
    }
}
