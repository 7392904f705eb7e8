//! Globs over paths (`--exclude`) and names of repositories: `*` within a name, `**` across folders, `?` one character.

use crate::assemble::Options;

impl Options {
    /// Whether a glob of `exclude` covers a path.
    pub(crate) fn excludes(&self, path: &str) -> bool {
        self.exclude.iter().any(|glob| {
            let whole = glob_matches(glob, path);
            // `vendor` and `*.json` mean any folder, as people write them.
            whole || path.rsplit('/').next().is_some_and(|last| glob_matches(glob, last)) || {
                let mut from = 0;
                std::iter::from_fn(|| {
                    let at = path.get(from..)?.find('/')?;
                    from = from.saturating_add(at).saturating_add(1);
                    path.get(from..)
                })
                .any(|tail| glob_matches(glob, tail))
            }
        })
    }
}

/// Whether a glob covers a whole path: `*` within a name, `**` across folders, `?` one character. Linear in pattern times
/// text.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let mut reachable = vec![false; text.len().saturating_add(1)];
    if let Some(first) = reachable.first_mut() {
        *first = true;
    }
    let mut at = 0;
    while let Some(step) = glob.get(at) {
        let across = *step == '*' && glob.get(at.saturating_add(1)) == Some(&'*');
        at = at.saturating_add(if across { 2 } else { 1 });
        if across && glob.get(at) == Some(&'/') {
            at = at.saturating_add(1);
            reachable = after_folders(&reachable, &text);
            continue;
        }
        let mut next = vec![false; reachable.len()];
        for (index, slot) in next.iter_mut().enumerate() {
            let before = index.checked_sub(1);
            let character = before.and_then(|before| text.get(before));
            let come = |from: &[bool]| before.and_then(|before| from.get(before)).copied().unwrap_or(false);
            *slot = match step {
                '*' => reachable.get(index).copied().unwrap_or(false),
                '?' => come(&reachable) && character.is_some_and(|character| *character != '/'),
                literal => come(&reachable) && character == Some(literal),
            };
        }
        if *step == '*' {
            for index in 1..next.len() {
                let passes =
                    across || text.get(index.saturating_sub(1)).is_some_and(|character| *character != '/');
                let previous = next.get(index.saturating_sub(1)).copied().unwrap_or(false);
                if let Some(slot) = next.get_mut(index) {
                    *slot = *slot || (previous && passes);
                }
            }
        }
        reachable = next;
    }
    reachable.last().copied().unwrap_or(false)
}

/// Where `**/` ends: behind any folders or none, and only where a name begins. `**/llama` is never `evil-llama`.
fn after_folders(reachable: &[bool], text: &[char]) -> Vec<bool> {
    let mut is_open = false;
    let end = |(index, reached): (usize, &bool)| {
        is_open |= *reached;
        let before = index.checked_sub(1).and_then(|before| text.get(before));
        is_open && before.is_none_or(|character| *character == '/')
    };
    reachable.iter().enumerate().map(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_left_open_end_where_a_name_begins() {
        for (glob, name, expected) in [
            ("**/llama", "llama", true),
            ("**/llama", "acme/llama", true),
            ("**/llama", "a/b/llama", true),
            ("**/llama", "acme/evil-llama", false),
            ("**/llama", "evil-llama", false),
            ("acme/**/llama", "acme/llama", true),
            ("acme/**/llama", "acme/evil-llama", false),
            ("acme/**/llama", "acme-evil/llama", false),
            ("a**/llama", "acme/llama", true),
            ("a**/llama", "allama", false),
            ("**/*.bin", "a/b.bin", true),
            ("**/", "a/", true),
            ("**/", "a", false),
            ("**", "a/b", true),
        ] {
            assert_eq!(glob_matches(glob, name), expected, "{glob} on {name}");
        }
    }

    #[test]
    fn globs_mean_what_people_write() {
        for (glob, path, expected) in [
            ("vendor/**", "a/vendor/x/y.yaml", true),
            ("vendor/**", "vendors/x.yaml", false),
            ("*.json", "a/b/c.json", true),
            ("a/*.yaml", "a/b/c.yaml", false),
            ("a/**/c.yaml", "a/c.yaml", true),
            ("a/**/c.yaml", "a/b/d/c.yaml", true),
            ("c?.yaml", "x/c1.yaml", true),
            ("b", "a/b", true),
            ("**/pod.yaml", "a/pod.yaml", true),
            ("**/pod.yaml", "a/notpod.yaml", false),
        ] {
            let options = Options { exclude: vec![glob.to_owned()], ..Options::default() };
            assert_eq!(options.excludes(path), expected, "{glob} on {path}");
        }
    }
}
