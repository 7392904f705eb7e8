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
    let (mut api_version, mut kind) = (None, None);
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    for line in lines.by_ref() {
        if is_blank(line) || is_bare_marker(line) {
            continue;
        }
        // A schema opens with these two keys; anything else before them may be a string or a list that swallows them.
        let (seen, rest) = match (line.strip_prefix("apiVersion:"), line.strip_prefix("kind:")) {
            (Some(rest), _) => (&mut api_version, rest),
            (_, Some(rest)) => (&mut kind, rest),
            _ => return Peek::Parse,
        };
        let Some(value) = word(rest).filter(|_| seen.is_none()) else { return Peek::Parse };
        *seen = Some(value);
        if let (Some(api_version), Some(kind)) = (api_version, kind) {
            let is_schema =
                kind == "CustomResourceDefinition" && api_version.starts_with("apiextensions.k8s.io/");
            let goes_on =
                lines.find(|line| !is_blank(line)).is_some_and(|line| line.starts_with([' ', '\t']));
            // A second `kind:` further down would win when applied, and appliers open `items` of any kind: look for
            // both before believing this one.
            return if is_schema && !goes_on && !repeats(text) { Peek::Schema } else { Peek::Parse };
        }
    }
    if api_version.is_none() && kind.is_none() { Peek::Empty } else { Peek::Parse }
}

/// API group of a definition that [`peek`] passed over, by its name: the API server takes none that is not called
/// `<plural>.<group>`. None where a glance does not tell for sure.
pub(crate) fn group_of_schema(text: &str) -> Option<&str> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("metadata"));
    lines.next()?.strip_prefix("metadata:").filter(|rest| is_blank(rest))?;
    let (mut indent, mut name) = (0, None);
    for line in lines.filter(|line| !is_blank(line)) {
        let content = line.trim_start_matches(' ');
        let depth = line.len().saturating_sub(content.len());
        if depth == 0 {
            break;
        }
        if indent == 0 {
            indent = depth;
        }
        // So would a second name, in any spelling.
        let is_odd = content.starts_with(['"', '\'', '?', '<', '&', '!', '*', '{']);
        match content.strip_prefix("name") {
            _ if depth > indent => {}
            _ if is_odd => return None,
            Some(rest) if rest.starts_with([':', ' ']) => {
                let word = word(rest.strip_prefix(':')?)?;
                let (_, group) = word.split_once('.').filter(|_| name.is_none())?;
                name = Some(group);
            }
            _ => {}
        }
    }
    name
}

/// Blanks, or a comment.
fn is_blank(line: &str) -> bool {
    let content = line.trim_start_matches(' ');
    content.is_empty() || content.starts_with('#')
}

/// A marker with nothing but a comment behind it; without a blank after it it is none.
fn is_bare_marker(line: &str) -> bool {
    line.strip_prefix("---").or_else(|| line.strip_prefix("...")).is_some_and(|rest| {
        let content = rest.trim_start_matches([' ', '\t']);
        content.is_empty() || (content.len() < rest.len() && content.starts_with('#'))
    })
}

/// What stands after the colon, when it is one plain or quoted word that ends on its line.
fn word(rest: &str) -> Option<&str> {
    let value = rest.strip_prefix([' ', '\t'])?.split(" #").next().unwrap_or("").trim_matches([' ', '\t']);
    let inner = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let word = inner.unwrap_or(value);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./-".contains(&byte);
    (!word.is_empty() && word.bytes().all(is_plain)).then_some(word)
}

/// Line breaks beside `\n` and `\r\n`: what looks like a comment may hold an object.
fn breaks_oddly(text: &str) -> bool {
    (text.contains('\r') && text.matches('\r').count() != text.matches("\r\n").count())
        || (!text.is_ascii() && text.contains(['\u{85}', '\u{2028}', '\u{2029}']))
}

/// Whether a top-level `kind`, `apiVersion` or `metadata` key may stand more than once, in any spelling, or `items` at
/// all.
fn repeats(text: &str) -> bool {
    let (mut seen, mut named) = (0_usize, 0_usize);
    for line in text.lines() {
        match line.as_bytes().first() {
            Some(b'k') if line.starts_with("kind") => seen = seen.saturating_add(1),
            Some(b'a') if line.starts_with("apiVersion") => seen = seen.saturating_add(1),
            Some(b'm') if line.starts_with("metadata") => named = named.saturating_add(1),
            Some(b'i') if line.starts_with("items") => return true,
            Some(b'"' | b'\'' | b'?' | b'<' | b'&' | b'!' | b'*' | b'{') => return true,
            _ => {}
        }
    }
    seen > 2 || named > 1
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
    fn the_group_of_a_schema_is_told_by_its_name() {
        let head = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n";
        for (metadata, expected) in [
            ("metadata:\n  name: rayclusters.ray.io\n", Some("ray.io")),
            (
                "metadata: # x\n\n  # y\n  annotations:\n    name: a.b\n  name: \"x.y.z\" # z\nspec: {}\n",
                Some("y.z"),
            ),
            ("metadata:\n    annotations:\n      a: |\n        name: a.b\n    name: c.d\n", Some("d")),
            ("spec:\n  name: a.b\nmetadata:\n  name: c.d\n", Some("d")),
            ("metadata: {name: a.b}\n", None),
            ("metadata:\n  labels: {}\nspec:\n  name: a.b\n", None),
            ("metadata:\n  name: ab\n", None),
            ("metadata:\n  name: {{ .x }}.b\n", None),
            ("metadata:\n  name: a.b\n  name: c.d\n", None),
            ("metadata:\n  name: a.b\n  \"name\": c.d\n", None),
            ("metadata:\n  name: a.b\n  name : c.d\n", None),
            ("metadata:\n  name: a.b\n  <<: {name: c.d}\n", None),
            ("metadata:\n  annotations: \"x\n  name: a.b\n  \"\n  name: c.d\n", None),
            ("metadata:\n  names: a.b\n  name: c.d\nspec:\n  metadata: {name: e.f}\n", Some("d")),
            ("", None),
        ] {
            assert_eq!(group_of_schema(&format!("{head}{metadata}")), expected, "{metadata}");
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
            "items: [{kind: Pod}]\n",
            "metadata: {name: a.b}\nspec: {}\nmetadata: {name: c.d}\n",
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
