//! Bytes of one file -> documents with objects, and what could not be read. One bad document loses only itself.

use std::sync::Arc;
use std::sync::OnceLock;

use ringfence_finding::Blind;
use ringfence_finding::Documents;
use ringfence_finding::Location;
use ringfence_finding::Reason;

use crate::definitions::Spot;
use crate::document::Document;
use crate::document::place;
use crate::opened;
use crate::opened::Closed;
use crate::peek::Peek;
use crate::peek::group_of_schema;
use crate::peek::peek;
use crate::snapshot::Snapshot;
use crate::split::split;
use crate::yaml::NodeId;
use crate::yaml::ParseError;
use crate::yaml::Tree;
use crate::yaml::Value;
use crate::yaml::read_json;
use crate::yaml::read_yaml;

/// An object as it stands in a document, before namespaces and parents are known.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) document: Arc<Document>,
    pub(crate) node: NodeId,
    pub(crate) api_version: Box<str>,
    pub(crate) kind: Box<str>,
}

/// What one file gave.
#[derive(Debug, Default)]
pub(crate) struct FileContent {
    pub(crate) objects: Vec<Raw>,
    pub(crate) documents: Documents,
    pub(crate) blind: Vec<Blind>,
    /// Definitions that were passed over.
    pub(crate) schemas: Vec<Spot>,
}

/// Reads a file's bytes.
pub(crate) fn read(file: &Arc<str>, bytes: &[u8]) -> FileContent {
    let mut reader = Reader { file, content: FileContent::default() };
    match decode(bytes) {
        Ok(text) => reader.text(&text),
        Err((at, blind)) => reader.content.blind.push(blind.at(place(file, 0, "", at, 1, 0..0))),
    }
    reader.content
}

/// UTF-8, UTF-8 with byte order mark, UTF-16 with byte order mark. The error is the byte, and what is to be told there.
pub(crate) fn decode(bytes: &[u8]) -> Result<std::borrow::Cow<'_, str>, (usize, Box<Blind>)> {
    let broken = |_| (0, Box::new(Blind::new(Reason::Encoding, "broken UTF-16")));
    let no = |at, cause: String, cure| (at, Box::new(Blind::new(Reason::Encoding, cause).scan(cure)));
    let wide = |bytes: &[u8], big: bool| {
        let units = bytes.chunks(2).map(|pair| match pair {
            [a, b] if big => u16::from_be_bytes([*a, *b]),
            [a, b] => u16::from_le_bytes([*a, *b]),
            _ => 0xFFFD,
        });
        char::decode_utf16(units).collect::<Result<String, _>>()
    };
    let text: std::borrow::Cow<'_, str> = match bytes {
        [0xFE, 0xFF, rest @ ..] => wide(rest, true).map_err(broken)?.into(),
        [0xFF, 0xFE, rest @ ..] => wide(rest, false).map_err(broken)?.into(),
        _ => std::str::from_utf8(bytes)
            .map_err(|error| {
                let at = error.valid_up_to();
                let cure = "save the file as UTF-8, or leave it out with --exclude";
                no(at, format!("byte {at} is not UTF-8"), cure)
            })?
            .into(),
    };
    match text.find('\0') {
        Some(at) => Err(no(at, format!("a NUL byte at {at}: a binary file"), "leave it out with --exclude")),
        None => Ok(text),
    }
}

/// Keys written twice that are shown one by one, for each document: a line number costs a pass over the text.
const MAX_DUPLICATES: usize = 20;

struct Reader<'f> {
    file: &'f Arc<str>,
    content: FileContent,
}

impl Reader<'_> {
    fn text(&mut self, text: &str) {
        if Snapshot::is_saved(text.as_bytes()) {
            let blind = Blind::new(Reason::SavedInventory, "a saved inventory of a cluster, not looked into");
            let blind = blind.scan("scan it by itself").at(Location::whole(Arc::clone(self.file)));
            self.content.blind.push(blind);
            return;
        }
        let start = text.trim_start_matches('\u{feff}').trim_start();
        let looks_json = start.starts_with(['{', '[']) && !start.starts_with("{{");
        if !(looks_json && self.json(text)) {
            self.yaml(text);
        }
    }

    /// JSON values one after another. False: it is no JSON from the first value on, so perhaps YAML in flow style.
    fn json(&mut self, text: &str) -> bool {
        let mut offset = text.len().saturating_sub(text.trim_start_matches('\u{feff}').len());
        let mut first_line = 1_u32;
        let mut index = 0_u32;
        while let Some(rest) = text.get(offset..) {
            match read_json(rest) {
                Ok(None) => break,
                Ok(Some((tree, used))) => {
                    let taken = rest.get(..used).unwrap_or("");
                    self.document(tree, index, offset, first_line);
                    first_line = first_line.saturating_add(lines(taken));
                    offset = offset.saturating_add(used.max(1));
                }
                Err(_) if index == 0 && !self.file.ends_with(".json") => return false,
                Err(error) => {
                    self.content.documents.found = self.content.documents.found.saturating_add(1);
                    self.failed(&error, rest, index, offset, first_line);
                    break;
                }
            }
            index = index.saturating_add(1);
        }
        true
    }

    fn yaml(&mut self, text: &str) {
        for (index, piece) in split(text).into_iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let part = text.get(piece.range.clone()).unwrap_or("");
            match peek(part) {
                Peek::Empty => {
                    self.count(|documents| &mut documents.empty);
                    continue;
                }
                Peek::Schema => {
                    self.count(|documents| &mut documents.schema_only);
                    self.content.schemas.push(Spot {
                        document: index,
                        first_line: piece.first_line,
                        range: piece.range.clone(),
                        group: group_of_schema(part).map(Box::from),
                    });
                    continue;
                }
                Peek::Parse => {}
            }
            // The parser takes a byte order mark at the very start only.
            let bare = part.trim_start_matches('\u{feff}');
            let offset = piece.range.start.saturating_add(part.len().saturating_sub(bare.len()));
            match read_yaml(bare) {
                Ok(Some(tree)) => self.document(tree, index, offset, piece.first_line),
                Ok(None) => self.count(|documents| &mut documents.empty),
                Err(error) => {
                    self.content.documents.found = self.content.documents.found.saturating_add(1);
                    self.failed(&error, bare, index, offset, piece.first_line);
                }
            }
        }
    }

    fn count(&mut self, which: impl Fn(&mut Documents) -> &mut u32) {
        self.content.documents.found = self.content.documents.found.saturating_add(1);
        let counter = which(&mut self.content.documents);
        *counter = counter.saturating_add(1);
    }

    fn failed(&mut self, error: &ParseError, text: &str, index: u32, offset: usize, first_line: u32) {
        let at = error.at();
        let location = place(self.file, index, text, offset, first_line, at..at);
        if error.reason() == Reason::Unparsable && text.contains("{{") {
            self.content.documents.template = self.content.documents.template.saturating_add(1);
            let blind = Blind::new(Reason::TemplateNotRendered, "a template, not rendered");
            let cure = "render it and pipe the result into `ringfence scan -`";
            self.content.blind.push(blind.scan(cure).at(location));
            return;
        }
        self.content.documents.failed = self.content.documents.failed.saturating_add(1);
        self.content.blind.push(Blind::new(error.reason(), error.to_string()).at(location));
    }

    fn document(&mut self, mut tree: Tree, index: u32, offset: usize, first_line: u32) {
        let file = Arc::clone(self.file);
        let closed = opened::open(&mut tree);
        let document = Arc::new(Document {
            file,
            index,
            offset,
            first_line,
            tree,
            host: None,
            live: false,
            line_ends: OnceLock::new(),
            characters: OnceLock::new(),
        });
        let before = self.content.objects.len();
        let broken = self.objects(&document);
        let found = self.content.objects.len() > before || document.tree.root().get("items").is_some();
        // A list that lost an item was read, but not all of it: the item is told below.
        self.count(|documents| match (found, broken.is_empty()) {
            (true, _) => &mut documents.parsed,
            (false, true) => &mut documents.not_kubernetes,
            (false, false) => &mut documents.failed,
        });
        self.content.blind.extend(broken);
        if self.content.objects.len() > before {
            self.duplicates(&document);
            self.closed(&document, closed);
        }
    }

    fn closed(&mut self, document: &Document, closed: Vec<Closed>) {
        let at = |node| document.location(document.tree.value(node).range());
        self.content.blind.extend(closed.into_iter().map(|one| one.blind.at(at(one.at))));
    }

    fn duplicates(&mut self, document: &Document) {
        let all = document.tree.duplicates();
        for duplicate in all.iter().take(MAX_DUPLICATES) {
            let (hidden, wins) =
                (document.location(duplicate.hidden.clone()), document.location(duplicate.wins.clone()));
            let key = document.tree.source().get(duplicate.wins.clone()).unwrap_or("").to_owned();
            let mut report = |at: &Location, other: &Location, says: &str| {
                let cause = format!("key `{key}` {says} line {}", other.line);
                let blind = Blind::new(Reason::DuplicateKey, cause).mend("keep one").at(at.clone());
                self.content.blind.push(blind);
            };
            report(&hidden, &wins, "is written again and hidden by");
            report(&wins, &hidden, "hides the value of");
        }
        if let Some(next) = all.get(MAX_DUPLICATES) {
            let more = all.len().saturating_sub(MAX_DUPLICATES);
            let cause = format!("{more} more keys of this document are written twice");
            let blind = Blind::new(Reason::DuplicateKey, cause).mend("keep one of each");
            self.content.blind.push(blind.at(document.location(next.hidden.clone())));
        }
    }

    /// Adds the objects of a document; returns what poses as an object and is none.
    fn objects(&mut self, document: &Arc<Document>) -> Vec<Blind> {
        let root = document.tree.root();
        let values: Vec<Value<'_>> = if root.is_sequence() { root.items().collect() } else { vec![root] };
        let mut broken = Vec::new();
        let mut work: Vec<Pending<'_>> = values.into_iter().rev().map(Pending::alone).collect();
        while let Some(pending) = work.pop() {
            let value = pending.value;
            let (version, kind) = match pending.identity(self.file.ends_with("Chart.yaml")) {
                Identity::Of(version, kind) => (version, kind),
                Identity::NotKubernetes => continue,
                Identity::Broken(cause, cure) => {
                    let blind = Blind::new(Reason::Unparsable, cause).at(document.location(value.range()));
                    broken.push(match cure {
                        Some(cure) => blind.mend(cure),
                        None => blind,
                    });
                    continue;
                }
            };
            // Appliers open `items` whatever the kind is called; items without a kind take that of the list.
            if let Some(items) = value.get("items").filter(|items| items.is_sequence()) {
                let is_list = kind.ends_with("List");
                let item_kind = kind.strip_suffix("List").unwrap_or(&kind);
                let given = (!item_kind.is_empty()).then(|| (version.clone(), item_kind.to_owned()));
                let from = work.len();
                work.extend(items.items().filter(|item| is_list || item.is_mapping()).map(|value| Pending {
                    value,
                    in_list: true,
                    given: given.clone(),
                }));
                if let Some(added) = work.get_mut(from..) {
                    added.reverse();
                }
                if is_list {
                    continue;
                }
            }
            if version.starts_with("kustomize.config.k8s.io/") {
                continue;
            }
            self.content.objects.push(Raw {
                document: Arc::clone(document),
                node: value.id(),
                api_version: version.into(),
                kind: kind.into(),
            });
        }
        broken
    }
}

/// A value that may be an object.
struct Pending<'t> {
    value: Value<'t>,
    /// It is an item of a list of objects, so it must be one.
    in_list: bool,
    /// Version and kind that a typed list gives to items without.
    given: Option<(String, String)>,
}

/// What a value says it is.
enum Identity {
    Of(String, String),
    NotKubernetes,
    /// Cause and cure.
    Broken(&'static str, Option<&'static str>),
}

impl<'t> Pending<'t> {
    fn alone(value: Value<'t>) -> Self {
        Self { value, in_list: false, given: None }
    }

    fn identity(&self, is_chart: bool) -> Identity {
        let written = |key: &str| self.value.get(key).and_then(Value::text).map(str::to_owned);
        let (given_version, given_kind) = self.given.clone().unzip();
        match (written("apiVersion").or(given_version), written("kind").or(given_kind)) {
            (Some(version), Some(kind)) => Identity::Of(version, kind),
            _ if self.in_list => {
                let cause = "an item of a list without `apiVersion` or `kind`: no API server takes it";
                Identity::Broken(cause, None)
            }
            (Some(_), None) if !is_chart => {
                let cause = "`apiVersion` without `kind`: no API server takes it";
                Identity::Broken(cause, Some("write the kind"))
            }
            (None, Some(_)) if self.value.get("metadata").is_some() || self.value.get("spec").is_some() => {
                let cause = "`kind` without `apiVersion`: no API server takes it";
                Identity::Broken(cause, Some("write the version"))
            }
            _ => Identity::NotKubernetes,
        }
    }
}

fn lines(text: &str) -> u32 {
    u32::try_from(crate::document::newlines(text)).unwrap_or(u32::MAX)
}

/// Objects inside a text value: YAML of an Argo `manifest`, or a ConfigMap value. Broken text is no error: it is data.
pub(crate) fn read_text(host: &Arc<Document>, value: Value<'_>) -> FileContent {
    let Some(text) = value.as_str() else { return FileContent::default() };
    let mut reader = Reader { file: &host.file, content: FileContent::default() };
    for piece in split(text) {
        let part = text.get(piece.range).unwrap_or("");
        if peek(part) != Peek::Parse {
            continue;
        }
        if let Ok(Some(mut tree)) = read_yaml(part) {
            let closed = opened::open(&mut tree);
            let document = Document {
                file: Arc::clone(&host.file),
                index: host.index,
                offset: 0,
                first_line: 1,
                tree,
                host: Some((Arc::clone(host), value.range())),
                live: false,
                line_ends: OnceLock::new(),
                characters: OnceLock::new(),
            };
            let document = Arc::new(document);
            reader.objects(&document);
            reader.closed(&document, closed);
        }
    }
    reader.content
}
