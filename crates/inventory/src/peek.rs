//! A glance at a document before parsing: is it a schema nobody reads, or no Kubernetes at all? Says "parse" whenever
//! in doubt: it may look too often, never too little.

/// What a glance tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// Blank or comments only.
    Empty,
    /// A custom resource definition. They hold 80-90 % of the bytes of an operator's repository.
    Schema,
    /// Needs the full reader.
    Parse,
}

/// Glances at one document of YAML.
pub fn peek(text: &str) -> Peek {
    if breaks_oddly(text) {
        return Peek::Parse;
    }
    let mut api_version = None;
    let mut kind = None;
    let mut empty = true;
    for line in text.lines() {
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        if line.starts_with("---") || line.starts_with('%') {
            // Content may follow a marker on its line.
            let rest = line.get(3..).unwrap_or("").trim_start();
            if line.starts_with("---") && !rest.is_empty() && !rest.starts_with('#') {
                return Peek::Parse;
            }
            continue;
        }
        let Some(first) = line.bytes().next() else { continue };
        match first {
            b'#' | b'\r' => continue,
            b' ' => {
                let trimmed = line.trim_start();
                if trimmed.is_empty() || trimmed.starts_with('#') {
                    continue;
                }
                if empty {
                    // The top level itself is indented.
                    return Peek::Parse;
                }
                continue;
            }
            b'{' | b'[' | b'"' | b'\'' | b'?' | b'&' | b'*' | b'!' | b'\t' | b'<' | b'|' | b'>' => {
                return Peek::Parse;
            }
            b'.' if line.starts_with("...") => continue,
            _ => {}
        }
        empty = false;
        for (key, seen) in [("apiVersion:", &mut api_version), ("kind:", &mut kind)] {
            let Some(value) = line.strip_prefix(key) else { continue };
            if seen.is_some() {
                return Peek::Parse;
            }
            let value = value.split(" #").next().unwrap_or("").trim();
            *seen = Some(value.trim_matches(['"', '\'']));
        }
        if let (Some(version), Some("CustomResourceDefinition")) = (api_version, kind)
            && version.starts_with("apiextensions.k8s.io/")
        {
            // A second `kind:` further down would win when applied: look for it before believing this one.
            return if repeats(text) { Peek::Parse } else { Peek::Schema };
        }
    }
    if empty { Peek::Empty } else { Peek::Parse }
}

/// Line breaks beside `\n` and `\r\n`: what looks like a comment may hold an object.
fn breaks_oddly(text: &str) -> bool {
    (text.contains('\r') && text.matches('\r').count() != text.matches("\r\n").count())
        || (!text.is_ascii() && text.contains(['\u{85}', '\u{2028}', '\u{2029}']))
}

/// Whether a top-level `kind` or `apiVersion` key may stand more than once, in any spelling.
fn repeats(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut seen = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        let line = bytes.get(at..).unwrap_or_default();
        match line.first() {
            Some(b'k') if line.starts_with(b"kind") => seen = seen.saturating_add(1),
            Some(b'a') if line.starts_with(b"apiVersion") => seen = seen.saturating_add(1),
            Some(b'"' | b'\'' | b'?' | b'<' | b'&' | b'!' | b'*' | b'{') => return true,
            _ => {}
        }
        at = match line.iter().position(|byte| *byte == b'\n') {
            Some(newline) => at.saturating_add(newline).saturating_add(1),
            None => bytes.len(),
        };
    }
    seen > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_passed_over() {
        assert_eq!(
            peek("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {}\n"),
            Peek::Schema
        );
        assert_eq!(
            peek("# x\n---\nkind: 'CustomResourceDefinition' # y\napiVersion: \"apiextensions.k8s.io/v1\"\n"),
            Peek::Schema
        );
    }

    #[test]
    fn blank_documents_are_empty() {
        for text in ["", "\n\n", "# only\n", "---\n# x\n  # y\n", "\u{feff}---\n"] {
            assert_eq!(peek(text), Peek::Empty, "{text:?}");
        }
    }

    #[test]
    fn a_workload_that_poses_as_schema_is_read() {
        let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n";
        for tail in [
            "kind: Pod\n",
            "\"kind\": Pod\n",
            "'kind': Pod\n",
            "? kind\n: Pod\n",
            "kind : Pod\n",
            "<<: {kind: Pod}\n",
        ] {
            assert_eq!(peek(&format!("{crd}{tail}")), Peek::Parse, "{tail}");
        }
        for text in [
            "# x\rkind: Pod\r",
            "# x\u{2028}kind: Pod\n",
            "{kind: CustomResourceDefinition}",
            " kind: Pod\n",
            "--- {kind: Pod}\n",
            "kind: Pod\nkind: X\n",
            "a: 1",
        ] {
            assert_eq!(peek(text), Peek::Parse, "{text}");
        }
    }
}
