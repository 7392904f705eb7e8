//! Room `model`, containers: what readers of archives disagree on, names that leave the folder, bytes that are accounted for.

use crate::limits::Limits;

/// Something on which loaders disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OddKind {
    /// Names, counts, sizes or offsets differ between records, or records stand where they should not.
    Views,
    /// A name or link that leaves the folder, or something that is no file.
    Path,
    /// A link inside of the folder.
    Link,
}

/// A list of what is odd, with places.
pub(crate) type Odd = Vec<(OddKind, u64, String)>;

/// Adds to a list, up to a limit for each kind: many small oddities must not crowd a great one out.
pub(crate) fn note(list: &mut Odd, kind: OddKind, at: u64, words: impl Into<String>) {
    if list.iter().filter(|(known, ..)| *known == kind).count() < Limits::GAPS {
        list.push((kind, at, words.into()));
    }
}

/// Absolute paths, drives, shares and `..`, with either slash.
pub(crate) fn leaves_folder(name: &str) -> bool {
    let name = name.replace('\\', "/");
    is_absolute(&name) || name.split('/').any(|part| part == "..")
}

/// Whether the target of a link in the folder of `name` is outside of the archive's folder.
pub(crate) fn target_leaves(name: &str, target: &str) -> bool {
    let target = target.replace('\\', "/");
    if is_absolute(&target) {
        return true;
    }
    let folder = name.split('/').filter(|part| !matches!(*part, "" | "."));
    let mut depth = folder.count().saturating_sub(1);
    for part in target.split('/') {
        match part {
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            "" | "." => {}
            _ => depth += 1,
        }
    }
    false
}

fn is_absolute(name: &str) -> bool {
    let drive =
        name.as_bytes().get(1) == Some(&b':') && name.starts_with(|first: char| first.is_ascii_alphabetic());
    name.starts_with('/') || drive
}

/// Sorts ranges and joins those that touch.
pub(crate) fn join(spans: &mut Vec<(u64, u64)>) {
    spans.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start, end) in spans.drain(..) {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    *spans = joined;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_folder_is_seen_with_either_slash() {
        for name in ["/etc/x", "../x", "a/../b", "C:\\x", "c:x", "\\\\host\\share", "a\\..\\b"] {
            assert!(leaves_folder(name), "{name}");
        }
        for name in ["a/b", "..a", "a..", "./a", "ab:c", ""] {
            assert!(!leaves_folder(name), "{name}");
        }
        for (name, target, leaves) in [
            ("a/b", "../c", false),
            ("a/b", "../../c", true),
            ("./b", "../c", true),
            ("b", "c/../d", false),
            ("b", "c/../../d", true),
            ("b", "/etc", true),
            ("a/b", "..\\..\\c", true),
        ] {
            assert_eq!(target_leaves(name, target), leaves, "{name} -> {target}");
        }
    }
}
