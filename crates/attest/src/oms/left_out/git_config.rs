//! Room `attest`: a repository's `config` -> whether it has only keys by which git runs nothing.
//!
//! git-config(1) has some hundred keys, and programs stand in many of them: `core.fsmonitor` is run by each `git status`. So
//! those that are inert are listed, and what is written in another way than git itself writes it is not read.

/// Sections and keys that `git init`, `clone`, `branch` and `config user.name`, and git-lfs write.
const INERT: [(&str, &[&str]); 6] = [
    ("core", &CORE),
    ("extensions", &["objectformat", "refstorage"]),
    ("lfs", &["access", "locksverify", "repositoryformatversion"]),
    ("branch", &["merge", "pushremote", "rebase", "remote"]),
    ("remote", &["fetch", "tagopt", "url"]),
    ("user", &["email", "name"]),
];
const CORE: [&str; 8] = [
    "autocrlf",
    "bare",
    "filemode",
    "ignorecase",
    "logallrefupdates",
    "precomposeunicode",
    "repositoryformatversion",
    "symlinks",
];
/// Keys whose value is an address, or may be one.
const ADDRESSES: [&str; 3] = ["pushremote", "remote", "url"];

/// Whether git runs nothing for what stands in this file.
pub(super) fn is_inert(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let mut keys: Option<&[&str]> = None;
    text.split('\n').all(|line| {
        let line = line.trim_matches(['\t', '\r', ' ']);
        if line.is_empty() || line.starts_with(['#', ';']) {
            return true;
        }
        if line.starts_with('[') {
            keys = section(line);
            return keys.is_some();
        }
        keys.is_some_and(|keys| is_inert_key(line, keys))
    })
}

/// The inert keys of the section that begins here: `[core]`, `[remote "origin"]`. None where another begins, or where more
/// stands in its line.
fn section(line: &str) -> Option<&'static [&'static str]> {
    let inside = line.strip_prefix('[')?.strip_suffix(']')?;
    let name = match inside.split_once(' ') {
        None => inside,
        Some((name, below)) => {
            let below = below.trim_start().strip_prefix('"')?.strip_suffix('"')?;
            (!below.contains(['"', '\\'])).then_some(name)?
        }
    };
    INERT.iter().find(|(inert, _)| name.eq_ignore_ascii_case(inert)).map(|(_, keys)| *keys)
}

fn is_inert_key(line: &str, keys: &[&str]) -> bool {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
    // A value that goes on in the next line would hide a key from us, or from git.
    let is_read = keys.contains(&key.as_str()) && !value.ends_with('\\') && !value.contains(char::is_control);
    is_read && (!ADDRESSES.contains(&key.as_str()) || is_plain(value))
}

/// Whether an address names no program: `ext::COMMAND` is one, `-oProxyCommand` has been. Quotes are taken out by git before it
/// looks.
fn is_plain(address: &str) -> bool {
    !address.starts_with('-') && !address.contains("::") && !address.contains(['"', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What git 2.39 and git-lfs write: `git init`, `git clone`, `git switch -c`, `git config user.name`, `git lfs fetch`.
    const WRITTEN: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\t\
        logallrefupdates = true\n\tignoreCase = true\n# ours\n[remote \"origin\"]\n\turl = git@hub.example:acme/llama.git\n\t\
        fetch = +refs/heads/*:refs/remotes/origin/*\n[branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n\
        [user]\n\tname = \"A \\\"B\\\" C\"\n\temail = a@example.com\n[lfs]\n\trepositoryformatversion = 0\n\
        [lfs \"https://hub.example/acme/llama.git/info/lfs\"]\n\tlocksverify = true\n\taccess = basic\n";

    #[test]
    fn what_git_writes_runs_nothing() {
        assert!(is_inert(WRITTEN.as_bytes()));
        assert!(is_inert(WRITTEN.replace('\n', "\r\n").as_bytes()));
        assert!(is_inert(b""));
    }

    #[test]
    fn what_may_run_a_program_is_not_inert() {
        for more in [
            "[core]\n\tfsmonitor = \"touch x; false\"\n",
            "[core]\n\thooksPath = hooks\n",
            "[CORE]\n\tpager = x\n",
            "[core] fsmonitor = x\n",
            "[core]\n\tbare = false \\\nfsmonitor = x\n",
            "[core \"x\"] fsmonitor = x ; \"]\n",
            "[core.fsmonitor]\n",
            "[filter \"lfs\"]\n\tclean = x\n",
            "[alias]\n\tst = !x\n",
            "[include]\n\tpath = ../x\n",
            "[includeIf \"gitdir:/\"]\n\tpath = ../x\n",
            "[diff]\n\texternal = x\n",
            "[credential]\n\thelper = !x\n",
            "[extensions]\n\tworktreeConfig = true\n",
            "[lfs \"customtransfer.x\"]\n\tpath = x\n",
            "[lfs]\n\tstandalonetransferagent = x\n",
            "[remote \"origin\"]\n\tuploadpack = x\n",
            "[remote \"origin\"]\n\turl = ext::sh -c x\n",
            "[remote \"origin\"]\n\turl = ext:\"\":sh -c x\n",
            "[remote \"origin\"]\n\turl = -oProxyCommand=x\n",
            "[branch \"main\"]\n\tmergeOptions = --strategy=x\n",
            "[branch \"main\"]\n\tremote = ext::x\n",
            "[sub \"a\n",
            "fsmonitor\n",
        ] {
            assert!(!is_inert([WRITTEN, more].concat().as_bytes()), "{more}");
        }
        // Keys before any section, another encoding, and text that git reads and we do not.
        for other in [&b"bare = false\n"[..], b"\xff", b"\xef\xbb\xbf[core]\n", b"[core]\n\tbare = \0false\n"]
        {
            assert!(!is_inert(other), "{other:?}");
        }
    }
}
