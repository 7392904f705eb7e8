//! Room `inventory`: JSON of one object as the API server sends it -> the same without what nobody reads
//! (`managedFields`, most of `status`), on the way from the wire, before a tree is built of it.
//!
//! Text in, text out: no value is decoded here, so none is changed. The tree's own reader judges the result.

use std::ops::Range;

/// What is wrong with the text of an object, with its byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) at: usize,
    pub(crate) message: &'static str,
}

/// Fields of `metadata` that say nothing about the object itself.
const METADATA: &[&str] = &["managedFields", "selfLink", "generation"];

/// Fields of `status` that are read, by group and kind; of all other kinds none is.
const STATUS: &[(&str, &str, &[&str])] = &[
    ("", "Pod", &["phase", "hostIP", "podIPs", "containerStatuses", "resourceClaimStatuses"]),
    ("", "Node", &["capacity", "allocatable", "nodeInfo"]),
    ("", "PersistentVolume", &["phase"]),
    ("", "PersistentVolumeClaim", &["phase"]),
    ("", "Service", &["loadBalancer"]),
    ("networking.k8s.io", "Ingress", &["loadBalancer"]),
    ("gateway.networking.k8s.io", "Gateway", &["addresses"]),
    ("batch", "Job", &["active", "succeeded", "failed", "completionTime"]),
    ("resource.k8s.io", "ResourceClaim", &["allocation", "reservedFor"]),
    ("snapshot.storage.k8s.io", "VolumeSnapshot", &["boundVolumeSnapshotContentName", "readyToUse"]),
];

/// Fields of a container's status that are read.
const CONTAINER_STATUS: &[&str] = &["name", "image", "imageID"];

/// Writes `object` without what nobody reads. It starts with version and kind: items of a list may lack them, then they
/// are those `given` by the list; items that were asked for as metadata only call themselves so.
///
/// # Errors
/// It is no JSON object, or it says that it is of another group or kind than the list.
pub(crate) fn prune(object: &str, given: (&str, &str), metadata_only: bool) -> Result<String, Broken> {
    let (version, kind) = given;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    if !is_open(object, blanks(object, 0), b'{') {
        return Err(Broken { at: blanks(object, 0), message: "a JSON object was expected" });
    }
    let mut out = String::with_capacity(object.len().saturating_add(64));
    out.push_str("{\"apiVersion\":\"");
    out.push_str(version);
    out.push_str("\",\"kind\":\"");
    out.push_str(kind);
    out.push('"');
    for part in Parts::of(object, 0)? {
        let part = part?;
        let value = object.get(part.value.clone()).unwrap_or("");
        match part.key {
            "apiVersion" | "kind" => {
                let wanted = if part.key == "kind" { kind } else { version };
                let partial = if part.key == "kind" { "PartialObjectMetadata" } else { "meta.k8s.io/v1" };
                let told = value.trim_matches('"');
                if told != wanted && !(metadata_only && told == partial) {
                    let message = "an item says that it is of another version or kind than its list";
                    return Err(Broken { at: part.value.start, message });
                }
            }
            "metadata" => {
                open(&mut out, part.key);
                keep(&mut out, object, &part.value, |key| !METADATA.contains(&key))?;
            }
            "status" => {
                let row = STATUS.iter().find(|(of, named, _)| *of == group && *named == kind);
                let Some((_, _, fields)) = row else { continue };
                open(&mut out, part.key);
                status(&mut out, object, &part.value, fields)?;
            }
            key => {
                open(&mut out, key);
                out.push_str(value);
            }
        }
    }
    out.push('}');
    Ok(out)
}

fn open(out: &mut String, key: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push('"');
    out.push_str(key);
    out.push_str("\":");
}

/// Copies the members of the object at `range` whose key `wanted` takes; anything but an object as it is.
fn keep(
    out: &mut String,
    text: &str,
    range: &Range<usize>,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Broken> {
    if !is_open(text, range.start, b'{') {
        out.push_str(text.get(range.clone()).unwrap_or(""));
        return Ok(());
    }
    out.push('{');
    for part in Parts::of(text, range.start)? {
        let part = part?;
        if wanted(part.key) {
            open(out, part.key);
            out.push_str(text.get(part.value).unwrap_or(""));
        }
    }
    out.push('}');
    Ok(())
}

fn status(out: &mut String, text: &str, range: &Range<usize>, fields: &[&str]) -> Result<(), Broken> {
    if !is_open(text, range.start, b'{') {
        out.push_str("{}");
        return Ok(());
    }
    out.push('{');
    for part in Parts::of(text, range.start)? {
        let part = part?;
        if !fields.contains(&part.key) {
            continue;
        }
        open(out, part.key);
        if part.key == "containerStatuses" && is_open(text, part.value.start, b'[') {
            out.push('[');
            for (index, item) in Parts::of(text, part.value.start)?.enumerate() {
                if index > 0 {
                    out.push(',');
                }
                keep(out, text, &item?.value, |key| CONTAINER_STATUS.contains(&key))?;
            }
            out.push(']');
        } else {
            out.push_str(text.get(part.value).unwrap_or(""));
        }
    }
    out.push('}');
    Ok(())
}

fn is_open(text: &str, at: usize, bracket: u8) -> bool {
    text.as_bytes().get(at) == Some(&bracket)
}

/// A member of an object, or an item of a list with an empty key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'j> {
    /// The key as it stands between its quotes: escapes are not resolved.
    pub(super) key: &'j str,
    pub(super) value: Range<usize>,
}

/// Parts of one object or list, in order. Nested ones are passed over, not looked into.
pub(super) struct Parts<'j> {
    text: &'j str,
    at: usize,
    closing: u8,
    first: bool,
    done: bool,
}

impl<'j> Parts<'j> {
    pub(super) fn of(text: &'j str, start: usize) -> Result<Self, Broken> {
        let at = blanks(text, start);
        let closing = match text.as_bytes().get(at) {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => return Err(Broken { at, message: "a JSON object was expected" }),
        };
        Ok(Self { text, at: at.saturating_add(1), closing, first: true, done: false })
    }

    fn read(&mut self) -> Result<Option<Part<'j>>, Broken> {
        let bytes = self.text.as_bytes();
        let mut at = blanks(self.text, self.at);
        match bytes.get(at) {
            Some(byte) if *byte == self.closing => return Ok(None),
            Some(b',') if !self.first => at = blanks(self.text, at.saturating_add(1)),
            Some(_) if self.first => {}
            _ => return Err(Broken { at, message: "a comma or a closing bracket was expected" }),
        }
        self.first = false;
        let mut key = "";
        if self.closing == b'}' {
            let end = string_end(self.text, at).ok_or(Broken { at, message: "a key was expected" })?;
            key = self.text.get(at.saturating_add(1)..end.saturating_sub(1)).unwrap_or("");
            at = blanks(self.text, end);
            if bytes.get(at) != Some(&b':') {
                return Err(Broken { at, message: "a colon was expected" });
            }
            at = blanks(self.text, at.saturating_add(1));
        }
        let end = value_end(self.text, at).ok_or(Broken { at, message: "a value was expected" })?;
        self.at = end;
        Ok(Some(Part { key, value: at..end }))
    }
}

impl<'j> Iterator for Parts<'j> {
    type Item = Result<Part<'j>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let part = self.read().transpose();
        self.done = !matches!(part, Some(Ok(_)));
        part
    }
}

fn blanks(text: &str, mut at: usize) -> usize {
    while matches!(text.as_bytes().get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at = at.saturating_add(1);
    }
    at
}

/// End of the string whose opening quote stands at `at`.
fn string_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut next = at.checked_add(1)?;
    loop {
        let found = memchr::memchr2(b'"', b'\\', bytes.get(next..)?)?.checked_add(next)?;
        if bytes.get(found) == Some(&b'"') {
            return found.checked_add(1);
        }
        next = found.checked_add(2)?;
    }
}

/// End of the value that starts at `at`.
fn value_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => {
            let (mut depth, mut next) = (0_usize, at);
            loop {
                match bytes.get(next)? {
                    b'"' => {
                        next = string_end(text, next)?;
                        continue;
                    }
                    b'{' | b'[' => depth = depth.checked_add(1)?,
                    b'}' | b']' => depth = depth.checked_sub(1)?,
                    _ => {}
                }
                next = next.checked_add(1)?;
                if depth == 0 {
                    return Some(next);
                }
            }
        }
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
            let length = bytes.get(at..)?.iter().position(ends).unwrap_or(bytes.len().checked_sub(at)?);
            (length > 0).then(|| at.checked_add(length))?
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_read_and_gives_items_of_a_list_their_kind() {
        let pod = r#" {"metadata": {"name":"a","managedFields":[{"x":{"}":"\"]"}}],"uid":"u","labels":{"a":"b"}},
            "spec":{"containers":[{"name":"c","image":"i"}]},
            "status":{"phase":"Running","conditions":[{}],"containerStatuses":[{"name":"c","imageID":"x@y","state":{}},{"name":"d"}],"hostIP":"10.0.0.1"}}"#;
        let expected = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"u","labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running","containerStatuses":[{"name":"c","imageID":"x@y"},{"name":"d"}],"hostIP":"10.0.0.1"}}"#;
        assert_eq!(prune(pod, ("v1", "Pod"), false).unwrap(), expected);
        let cluster =
            r#"{"kind":"RayCluster","apiVersion":"ray.io/v1","spec":{},"status":{"state":"ready"}}"#;
        let expected = r#"{"apiVersion":"ray.io/v1","kind":"RayCluster","spec":{}}"#;
        assert_eq!(prune(cluster, ("ray.io/v1", "RayCluster"), false).unwrap(), expected);
    }

    #[test]
    fn an_item_of_another_kind_than_its_list_is_refused() {
        for text in [r#"{"kind":"Secret"}"#, r#"{"apiVersion":"v2"}"#, r#"{"apiVersion":{"a":1}}"#] {
            assert!(prune(text, ("v1", "Pod"), false).is_err(), "{text}");
        }
    }

    #[test]
    fn broken_text_is_an_error_with_its_byte() {
        for (text, at) in [
            ("", 0),
            ("[1]", 0),
            ("{", 1),
            (r#"{"a"}"#, 4),
            (r#"{"a":}"#, 5),
            (r#"{"a":{"b":1}"#, 12),
            (r#"{"a":1 "b":2}"#, 7),
            (r#"{"metadata":{"name"}}"#, 19),
            ("{\"a\":\"\\", 5),
        ] {
            assert_eq!(prune(text, ("v1", "Pod"), false).unwrap_err().at, at, "{text}");
        }
    }
}
