//! Room `inventory`: a saved inventory -> the [`Snapshot`] it was. Lines are untrusted: what cannot be read is told, the
//! rest is used, and nothing of it counts as whole any more.

use std::collections::BTreeSet;
use std::io;
use std::io::BufRead;
use std::io::Read as _;

use ringfence_finding::Reason;

use super::About;
use super::Extent;
use super::Gap;
use super::GapKind;
use super::Item;
use super::Listed;
use super::Narrowed;
use super::Served;
use super::Snapshot;
use super::save::API_VERSION;
use super::save::KIND;
use crate::pod::KindSchema;
use crate::pod::SchemaGap;
use crate::pod::SchemaPath;
use crate::pod::SchemaShape;
use crate::pod::Schemas;
use crate::yaml::Tree;
use crate::yaml::Value;
use crate::yaml::read_json;

/// Longest line: an object is at most 32 MiB, and the header lists some hundred kinds.
const MAX_LINE: usize = 64 << 20;
/// Lines that could not be read and are told one by one.
const MAX_TOLD: usize = 20;

/// Why a file is no saved inventory, or of no use.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The operating system says why.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// The first line is no header of one.
    #[error(
        "not a saved inventory: its first line is no header; write one with `ringfence scan --save FILE`"
    )]
    NotSaved,
    /// Written by a version with another form.
    #[error(
        "a saved inventory of form {0}, which this ringfence does not know; scan it with the one that wrote it"
    )]
    OtherForm(String),
    /// The header itself is broken.
    #[error("line 1: {0}; save it again")]
    Header(String),
}

impl Snapshot {
    /// Whether a file that begins with these bytes is a saved inventory, of any form.
    pub fn is_saved(start: &[u8]) -> bool {
        let start = start.get(..MAX_PEEK).unwrap_or(start);
        let text = String::from_utf8_lossy(start);
        let text: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        let names_us = text.starts_with("{\"apiVersion\":\"ringfence.dev/");
        names_us && text.contains(&format!("\"kind\":\"{KIND}\""))
    }

    /// Reads what [`Snapshot::save`] wrote.
    ///
    /// # Errors
    /// It is no saved inventory, or of a form that this version does not know. Broken lines behind the header are told
    /// in the snapshot.
    pub fn load(reader: impl BufRead) -> Result<Self, SavedError> {
        let mut lines = Lines { reader, line: Vec::new(), number: 0 };
        let header = match lines.next()? {
            Some(Ok(text)) => text.to_owned(),
            Some(Err(_)) | None => return Err(SavedError::NotSaved),
        };
        let tree = match read_json(&header) {
            Ok(Some((tree, _))) => tree,
            Err(error) if Self::is_saved(header.as_bytes()) => {
                return Err(SavedError::Header(error.to_string()));
            }
            Ok(None) | Err(_) => return Err(SavedError::NotSaved),
        };
        let root = tree.root();
        if root.str_at("kind") != Some(KIND) {
            return Err(SavedError::NotSaved);
        }
        match root.str_at("apiVersion") {
            Some(API_VERSION) => {}
            other => return Err(SavedError::OtherForm(other.unwrap_or("unknown").to_owned())),
        }
        let mut snapshot = header_of(root);
        let expected = root.get("objects").and_then(Value::as_i64).unwrap_or(-1);
        let (mut lost, mut broken) = (Vec::new(), 0_usize);
        while let Some(line) = lines.next()? {
            match line.and_then(item) {
                Ok(Some(item)) => snapshot.items.push(item),
                Ok(None) => {}
                Err(words) => {
                    broken = broken.saturating_add(1);
                    if lost.len() < MAX_TOLD {
                        lost.push(format!("line {}: {words}", lines.number));
                    }
                }
            }
        }
        let more = broken.saturating_sub(lost.len());
        if more > 0 {
            lost.push(format!("{more} more lines"));
        }
        let found = i64::try_from(snapshot.items.len().saturating_add(broken)).unwrap_or(i64::MAX);
        if found != expected {
            lost.push(format!("it holds {found} objects of {expected}: it was cut or edited"));
        }
        snapshot.damaged(lost);
        Ok(snapshot)
    }

    /// Nothing of a damaged file counts as whole.
    fn damaged(&mut self, lost: Vec<String>) {
        let Some(first) = lost.first() else { return };
        let message = format!("the saved inventory is damaged ({first}); save it again");
        for listed in &mut self.lists {
            listed.extent = Extent::Nowhere;
            listed.gap.get_or_insert_with(|| Gap { kind: GapKind::Partial, message: message.clone() });
        }
        self.lost.extend(lost);
    }
}

/// Bytes looked at to tell what a file is.
const MAX_PEEK: usize = 256;

struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// The next line without its end; an error in it, when it is no text or too long.
    fn next(&mut self) -> io::Result<Option<Result<&str, String>>> {
        self.line.clear();
        let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        if read == MAX_LINE && !self.line.ends_with(b"\n") {
            // The rest of it is passed over.
            loop {
                self.line.clear();
                let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
                if read == 0 || self.line.ends_with(b"\n") {
                    return Ok(Some(Err(format!("longer than {MAX_LINE} bytes"))));
                }
            }
        }
        Ok(Some(std::str::from_utf8(&self.line).map(str::trim).map_err(|_| "not UTF-8".to_owned())))
    }
}

/// One line behind the header; none: a blank one.
fn item(line: &str) -> Result<Option<Item>, String> {
    let tree = match read_json(line) {
        Ok(Some((tree, _))) => tree,
        Ok(None) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let root = tree.root();
    let object = root.get("object").filter(|object| object.is_mapping()).ok_or("it holds no object")?;
    if object.str_at("apiVersion").is_none() || object.str_at("kind").is_none() {
        return Err("its object has no apiVersion or kind".to_owned());
    }
    let copies = root.get("copies").and_then(Value::as_i64).and_then(|copies| u32::try_from(copies).ok());
    let nodes: BTreeSet<Box<str>> = texts(root, "nodes").map(Box::from).collect();
    let text = line.get(object.range()).unwrap_or("");
    let own: Option<(Tree, usize)> = read_json(text).map_err(|error| error.to_string())?;
    let (tree, _) = own.ok_or("it holds no object")?;
    Ok(Some(Item { tree, copies: copies.unwrap_or(1).max(1), nodes }))
}

fn header_of(root: Value<'_>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    if let Some(about) = root.get("about") {
        snapshot.about = About {
            server: text(about, "server"),
            context: optional(about, "context"),
            version: optional(about, "version"),
            date: optional(about, "date"),
            namespace: text(about, "namespace"),
        };
    }
    if let Some(narrowed) = root.get("narrowed") {
        snapshot.narrowed = Narrowed {
            namespaces: texts(narrowed, "namespaces").map(str::to_owned).collect(),
            selector: optional(narrowed, "selector"),
        };
    }
    snapshot.lists = items(root, "lists").map(listed).collect();
    snapshot.served = items(root, "served").map(served).collect();
    let mut schemas = Schemas::default();
    items(root, "schemas").map(schema).for_each(|schema| schemas.add(schema));
    snapshot.schemas = schemas;
    snapshot.silent = texts(root, "silent").map(str::to_owned).collect();
    snapshot
}

fn listed(value: Value<'_>) -> Listed {
    let extent = match (value.str_at("whole"), value.get("wholeIn")) {
        (Some("everywhere"), _) => Extent::Everywhere,
        (_, Some(_)) => Extent::Namespaces(texts(value, "wholeIn").map(str::to_owned).collect()),
        _ => Extent::Nowhere,
    };
    let gap = value.get("gap").map(|word| Gap {
        // An unknown word is a gap all the same.
        kind: GapKind::ALL
            .into_iter()
            .find(|kind| word.text() == Some(kind.as_str()))
            .unwrap_or(GapKind::Failed),
        message: text(value, "message"),
    });
    Listed {
        group: text(value, "group"),
        kind: text(value, "kind"),
        plural: text(value, "plural"),
        bears_pods: value.get("bearsPods").and_then(Value::as_bool) != Some(false),
        version: optional(value, "version"),
        objects: value
            .get("objects")
            .and_then(Value::as_i64)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        extent,
        gap,
    }
}

fn served(value: Value<'_>) -> Served {
    Served {
        group: text(value, "group"),
        kind: text(value, "kind"),
        plural: text(value, "plural"),
        namespaced: value.str_at("scope") == Some("Namespaced"),
        versions: texts(value, "versions").map(str::to_owned).collect(),
        verbs: texts(value, "verbs").map(str::to_owned).collect(),
    }
}

fn schema(value: Value<'_>) -> KindSchema {
    let paths = |key: &'static str| items(value, key).map(|path| SchemaPath::of_steps(texts(path, "path")));
    let specs = paths("specs").map(|path| (SchemaShape::Spec, path));
    let parts = paths("parts").map(|path| (SchemaShape::Part, path));
    KindSchema {
        group: text(value, "group").into(),
        kind: text(value, "kind").into(),
        plural: text(value, "plural").into(),
        namespaced: value.str_at("scope") == Some("Namespaced"),
        served: texts(value, "served").map(Box::from).collect(),
        paths: specs.chain(parts).collect(),
        opaque: paths("opaque").collect(),
        gaps: items(value, "gaps")
            .map(|gap| SchemaGap { reason: reason(gap), message: text(gap, "message") })
            .collect(),
    }
}

fn reason(gap: Value<'_>) -> Reason {
    let known = [Reason::NoSchema, Reason::Budget, Reason::Depth];
    known.into_iter().find(|known| gap.str_at("reason") == Some(known.as_str())).unwrap_or(Reason::NoSchema)
}

fn optional(value: Value<'_>, key: &str) -> Option<String> {
    value.get(key).and_then(Value::text).map(str::to_owned)
}

fn text(value: Value<'_>, key: &str) -> String {
    optional(value, key).unwrap_or_default()
}

fn items<'t>(value: Value<'t>, key: &str) -> impl Iterator<Item = Value<'t>> + use<'t> {
    value.get(key).into_iter().flat_map(Value::items)
}

fn texts<'t>(value: Value<'t>, key: &str) -> impl Iterator<Item = &'t str> + use<'t> {
    items(value, key).filter_map(Value::text)
}
