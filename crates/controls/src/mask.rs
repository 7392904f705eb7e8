//! Places as a reader may see them: values and neighbouring lines with everything masked that may be a secret.
//!
//! Two layers. The tree knows what a line cannot: that a `value` belongs to a variable named `..._TOKEN`, that an
//! object is a Secret. The redactor of `secret` then masks what shape or text alone give away, comments too.

use std::ops::Range;

use ringfence_finding::Snippet;
use ringfence_inventory::Object;
use ringfence_inventory::yaml::Scalar;
use ringfence_inventory::yaml::Value;
use ringfence_secret::Engine;
use ringfence_secret::Redactor;
use ringfence_secret::redact::MASK;
use ringfence_secret::redact::is_key_like;
use ringfence_secret::redact::tells_nothing;

/// Lines above a frame that are masked with it, and the most bytes they may have.
const CONTEXT_LINES: usize = 40;
const MAX_CONTEXT: usize = 8 << 10;
/// Longest value shown as evidence, in characters.
const MAX_SHOWN: usize = 120;

/// The value that stands for an object as a whole: its name, else its kind.
pub(crate) fn head(object: &Object) -> Value<'_> {
    let body = object.body();
    body.at(&["metadata", "name"]).or_else(|| body.get("kind")).unwrap_or(body)
}

/// A value as evidence.
pub(crate) fn shown(object: &Object, value: Value<'_>) -> String {
    if value.is_scalar() {
        let text = value.text().unwrap_or("null");
        if is_sensitive(value) && !is_harmless(value) {
            // A key of known shape is shown by its ends, so that its owner can find it; anything else not at all.
            let hit = Engine::shared().scan(text.as_bytes()).into_iter().next();
            return hit.map_or_else(|| MASK.to_owned(), |hit| hit.shown.to_string());
        }
        // No more is shown than its beginning.
        let head = text.get(..text.floor_char_boundary(MAX_SHOWN.saturating_mul(32))).unwrap_or(text);
        return cut(&Redactor::shared().mask_text(head));
    }
    let (document, range) = object.document().shown(value.range());
    let window = masked(object, document.tree.source(), range.clone(), range.start..range.start);
    cut(&window.0.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Lines around a value.
pub(crate) fn snippet(object: &Object, value: Value<'_>) -> Snippet {
    let range = match value.key_range() {
        // The key belongs to what is pointed at, when it stands before the value on purpose (`privileged: true`).
        Some(key) if value.is_scalar() && key.end <= value.range().start => key.start..value.range().end,
        Some(key) if !value.is_scalar() => key,
        _ => value.range(),
    };
    snippet_of(object, range)
}

/// Lines around bytes of the object's document.
pub(crate) fn snippet_of(object: &Object, range: Range<usize>) -> Snippet {
    let (document, range) = object.document().shown(range);
    let window = document.window(range);
    let source = document.tree.source();
    // What stands some lines above says what a line is: a switch whose value is continued, the head of a private key.
    let from = context(source, window.lines.start);
    let (text, mark) = masked(object, source, from..window.lines.end, window.mark);
    let lines_before = source.get(from..window.lines.start).map_or(0, |text| text.matches('\n').count());
    let shown_from =
        text.match_indices('\n').nth(lines_before.wrapping_sub(1)).map_or(0, |(at, _)| at.saturating_add(1));
    let text = text.get(shown_from..).unwrap_or("").to_owned();
    let mark = mark.start.saturating_sub(shown_from)..mark.end.saturating_sub(shown_from);
    Snippet { first_line: window.first_line, start: mark.start, end: mark.end, text }
}

/// Start of the lines that are masked together with those from `start` on, which stand at the start of a line.
fn context(source: &str, start: usize) -> usize {
    let before = source.get(..start).unwrap_or("");
    if !(before.is_empty() || before.ends_with('\n')) {
        return start;
    }
    let near =
        before.get(before.ceil_char_boundary(before.len().saturating_sub(MAX_CONTEXT))..).unwrap_or("");
    let lines = near.match_indices('\n').rev();
    let first = lines.map(|(at, _)| at.saturating_add(1)).take(CONTEXT_LINES.saturating_add(1)).last();
    match first {
        _ if near.len() == before.len() && near.matches('\n').count() <= CONTEXT_LINES => 0,
        Some(at) => start.saturating_sub(near.len()).saturating_add(at),
        None => start,
    }
}

/// The lines with secrets masked, and where `mark` went.
fn masked(object: &Object, source: &str, lines: Range<usize>, mark: Range<usize>) -> (String, Range<usize>) {
    let mut hidden = Vec::new();
    let (value, all) = around(object, &lines);
    sensitive_ranges(value, &lines, all, &mut hidden);
    hidden.sort_by_key(|range: &Range<usize>| (range.start, range.end));
    let mut text = String::with_capacity(lines.len());
    let (mut start, mut end) = (None, None);
    let mut at = lines.start;
    for range in hidden {
        let from = range.start.clamp(lines.start, lines.end);
        let to = range.end.clamp(lines.start, lines.end);
        if from < at || from >= to {
            continue;
        }
        copy(source, at..from, &mark, &mut text, &mut start, &mut end);
        let before = text.len();
        text.push_str(MASK);
        // A mark that begins or ends inside a masked value moves to the mask's edge.
        if (from..to).contains(&mark.start) {
            start.get_or_insert(before);
        }
        if (from..=to).contains(&mark.end) && mark.end > from {
            end.get_or_insert(text.len());
        }
        at = to;
    }
    copy(source, at..lines.end, &mark, &mut text, &mut start, &mut end);
    let start = start.unwrap_or(0).min(text.len());
    let end = end.unwrap_or(start).clamp(start, text.len());
    Redactor::shared().mask_with_range(&text, start..end)
}

/// What holds the lines: the object where it does, else its document; a list of thousands is not walked for each of them.
/// With whether all of it is sensitive.
fn around<'i>(object: &'i Object, lines: &Range<usize>) -> (Value<'i>, bool) {
    let (document, _) = object.document().shown(0..0);
    let body = object.body();
    let range = body.range();
    let is_inside = range.start <= lines.start && lines.end <= range.end;
    // An alias elsewhere in the document may name what stands here a secret.
    if !is_inside || body.tree().has_aliases() || !std::ptr::eq(document, object.document()) {
        return (document.tree.root(), false);
    }
    let mut holders = std::iter::successors(body.parent(), |value| value.parent());
    (body, holders.any(|value| is_secret_data(value) || value.key().is_some_and(is_key_like)))
}

fn copy(
    source: &str,
    range: Range<usize>,
    mark: &Range<usize>,
    text: &mut String,
    start: &mut Option<usize>,
    end: &mut Option<usize>,
) {
    let base = text.len();
    text.push_str(source.get(range.clone()).unwrap_or(""));
    let inside = |at: usize| {
        (range.start..=range.end).contains(&at).then(|| base.saturating_add(at.saturating_sub(range.start)))
    };
    if start.is_none() {
        *start = inside(mark.start);
    }
    if end.is_none() {
        *end = inside(mark.end);
    }
}

/// Scalars that must not be shown, below `value` and inside `window`. `all`: everything below is sensitive.
fn sensitive_ranges(value: Value<'_>, window: &Range<usize>, all: bool, out: &mut Vec<Range<usize>>) {
    let mut work = vec![(value, all)];
    while let Some((value, all)) = work.pop() {
        let range = value.range();
        if value.is_scalar() {
            let overlaps = range.start < window.end && range.end > window.start;
            if overlaps && (all || is_sensitive(value)) && !is_harmless(value) {
                out.push(range);
            }
            continue;
        }
        let outside = range.end <= window.start || range.start >= window.end;
        // Expanded aliases keep the places of their anchors, so a collection's range does not bound them.
        if outside && !value.tree().has_aliases() {
            continue;
        }
        let all = all || is_secret_data(value) || value.key().is_some_and(is_key_like);
        work.extend(value.children().map(|child| (child, all)));
    }
}

/// By its key, by the name beside it, or by the switch before it.
fn is_sensitive(value: Value<'_>) -> bool {
    if value.key().is_some_and(is_key_like) {
        return true;
    }
    let Some(parent) = value.parent() else { return false };
    if matches!(value.key(), Some("value" | "defaultValue"))
        && ["name", "key"].into_iter().any(|key| parent.str_at(key).is_some_and(is_key_like))
    {
        return true;
    }
    if is_secret_data(parent) || parent.key().is_some_and(is_key_like) && parent.is_sequence() {
        return true;
    }
    parent.is_sequence() && follows_switch(value)
}

/// Names of a value inside a mapping that is called after a secret: `apiKey: {value: ...}`.
const CONTENTS: &[&str] = &["content", "data", "default", "inline", "literal", "plain", "value"];

/// Whether a scalar is a secret by its name or place, and says anything: the reference to one does not, nor does a
/// switch. Fields beside it stay, since controls read them (`authOptions: {mode: token}`).
pub(crate) fn is_secret(value: Value<'_>) -> bool {
    let of_secret = |value: Value<'_>| {
        let is_content = value.key().is_some_and(|key| CONTENTS.contains(&key));
        is_content && value.parent().and_then(Value::key).is_some_and(is_key_like)
    };
    let says_something = value.text().is_some_and(|text| !tells_nothing(text));
    says_something && !is_harmless(value) && (is_sensitive(value) || of_secret(value))
}

/// `[--api-key, VALUE]`
fn follows_switch(value: Value<'_>) -> bool {
    value.previous_scalar().and_then(Value::as_str).is_some_and(|word| {
        word.starts_with('-') && !word.contains('=') && is_key_like(word.trim_start_matches('-'))
    })
}

/// `data` and `stringData` of a Secret, wherever the Secret stands; items of a typed list carry no kind. `binaryData` of a
/// ConfigMap, because a key that was found in it can be decoded by every reader.
fn is_secret_data(value: Value<'_>) -> bool {
    if value.key() == Some("binaryData") {
        return true;
    }
    if !matches!(value.key(), Some("data" | "stringData")) {
        return false;
    }
    let Some(object) = value.parent() else { return false };
    let list = || object.parent().filter(|items| items.key() == Some("items"))?.parent()?.str_at("kind");
    match object.str_at("kind") {
        Some(kind) => kind == "Secret",
        None => list() == Some("SecretList"),
    }
}

/// Booleans and nulls say nothing about a secret.
fn is_harmless(value: Value<'_>) -> bool {
    matches!(value.scalar(), None | Some(Scalar::Null | Scalar::Bool(_)))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or("")),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ringfence_inventory::Inventory;

    use super::*;

    fn snippet_of(text: &str, keys: &[&str]) -> Snippet {
        let inventory = Inventory::from_text(text);
        let (_, object) = inventory.objects().next().unwrap();
        let at = object.body().at(keys).unwrap();
        snippet(object, at)
    }

    #[test]
    fn neighbours_under_key_like_names_are_masked_whatever_their_shape() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  DB_PASSWORD: hunter2\n  mode: fast # token=abc123\n  api_key: 12345\n";
        let snippet = snippet_of(text, &["data", "mode"]);
        for secret in ["hunter2", "abc123", "12345"] {
            assert!(!snippet.text.contains(secret), "{}", snippet.text);
        }
        assert_eq!(&snippet.text[snippet.start..snippet.end], "mode: fast");
    }

    #[test]
    fn secret_data_and_env_pairs_are_masked_in_any_order() {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  colour: blue77\n  note: |\n    line one\n";
        let shown = snippet_of(secret, &["metadata", "name"]);
        assert!(!shown.text.contains("blue77"), "{}", shown.text);
        let list =
            "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: x}\n  data: {colour: Ymx1ZTc3}\n";
        let shown = snippet_of(list, &["metadata", "name"]);
        assert!(!shown.text.contains("Ymx1ZTc3"), "{}", shown.text);
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n  - name: c\n    env:\n    - value: s3cr3t\n      name: HF_TOKEN\n    image: i\n    args: [--api-key, zebra]\n";
        let inventory = Inventory::from_text(pod);
        let pod = inventory.pods().next().unwrap();
        let image = pod.containers().next().unwrap().get("image").unwrap();
        let shown = snippet(pod.object(), image);
        for secret in ["s3cr3t", "zebra"] {
            assert!(!shown.text.contains(secret), "{}", shown.text);
        }
        assert_eq!(&shown.text[shown.start..shown.end], "image: i");
    }

    #[test]
    fn what_stands_above_a_frame_still_says_what_is_secret() {
        let body = "c3ludGhldGljIGJvZHkgb2YgYSBrZXk";
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}      -----END", format!("      {body}\n").repeat(9));
        for secret in ["serve --api-key \\\n      zebra77\n", &format!("{pem} PRIVATE KEY-----\n")] {
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  a: |\n      {secret}  mode: fast\n"
            );
            let snippet = snippet_of(&text, &["data", "mode"]);
            assert!(!snippet.text.contains("zebra77") && !snippet.text.contains(body), "{}", snippet.text);
            assert_eq!(&snippet.text[snippet.start..snippet.end], "mode: fast");
            assert!(snippet.text.lines().count() <= 4, "{}", snippet.text);
        }
    }

    #[test]
    fn an_object_of_a_list_on_one_line_is_masked_by_itself_and_by_what_holds_it() {
        let item = |name: &str| {
            let pad = "x".repeat(4000);
            format!(
                r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "{name}"}}, "data": {{"a": "{pad}", "token": "hunter2", "mode": "fast", "b": "{pad}"}}}}"#
            )
        };
        let text =
            format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{}, {}]}}"#, item("x"), item("y"));
        let inventory = Inventory::from_text(&text);
        for (_, object) in inventory.objects() {
            let mode = object.body().at(&["data", "mode"]).unwrap();
            let shown = snippet(object, mode);
            assert_eq!(shown.text.matches("hunter2").count(), 0, "{}", shown.text);
            assert!(shown.text[shown.start..shown.end].ends_with("\"fast\""), "{}", shown.text);
            let range = mode.range();
            assert_eq!(around(object, &range).0.id(), object.body().id());
            assert_eq!(around(object, &(0..text.len())).0.id(), object.document().tree.root().id());
        }
    }

    #[test]
    fn a_mark_on_a_masked_value_points_at_the_mask() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  token: abcdef\n";
        let snippet = snippet_of(text, &["data", "token"]);
        assert_eq!(&snippet.text[snippet.start..snippet.end], format!("token: {MASK}"));
    }
}
