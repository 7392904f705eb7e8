//! Room `inventory`: files and objects of a cluster -> the objects of an inventory, embedded ones behind the one they
//! stand in.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rayon::prelude::*;
use ringfence_finding::Blind;
use ringfence_finding::Location;
use ringfence_finding::Reason;

use super::Inventory;
use super::Options;
use crate::definitions::Again;
use crate::object::Object;
use crate::object::ObjectId;
use crate::object::is_cluster_scoped;
use crate::pod;
use crate::reader;
use crate::reader::FileContent;
use crate::reader::Raw;
use crate::snapshot::Served;
use crate::source::Content;
use crate::source::Input;
use crate::source::load;
use crate::yaml::Value;

/// Levels of objects inside objects that are opened.
const MAX_EMBEDDED_LEVELS: usize = 4;
/// Embedded objects one file may hold.
const MAX_EMBEDDED: usize = 10_000;

impl Inventory {
    pub(crate) fn add_files(&mut self, input: Input, options: &Options) {
        let contents: Vec<(Arc<str>, FileContent, Option<Again>, bool)> = input
            .files
            .into_par_iter()
            .map(|(file, content)| {
                let (content, again, read) = read_guarded(&file, content, options.max_file_size);
                if let Some(done) = &options.done {
                    done.fetch_add(1, Ordering::Relaxed);
                }
                (file, content, again, read)
            })
            .collect();
        self.sight.partial = options.partial;
        self.coverage.files.seen = input.seen;
        self.coverage.blind.extend(input.blind);
        for (file, mut content, again, read) in contents {
            let spots = std::mem::take(&mut content.schemas);
            self.add_file(&file, content, options);
            self.coverage.files.read += u32::from(read);
            if let Some(again) = again {
                self.definitions.add(file, again, spots);
            }
        }
    }

    /// A cluster's own word on which kinds have namespaces goes before the table.
    pub(crate) fn set_scopes(&mut self, served: &[Served]) {
        let scopes =
            served.iter().map(|one| ((one.group.as_str().into(), one.kind.as_str().into()), one.namespaced));
        self.scopes = scopes.collect();
    }

    /// Whether objects of this kind have no namespace: a cluster says so, the kind's definition, else its name.
    pub(super) fn is_cluster_scoped(&self, group: &str, kind: &str) -> bool {
        if !self.scopes.is_empty()
            && let Some(namespaced) = self.scopes.get(&(Box::from(group), Box::from(kind)))
        {
            return !namespaced;
        }
        self.schemas
            .get(group, kind)
            .map_or_else(|| is_cluster_scoped(group, kind), |schema| !schema.namespaced)
    }

    fn add_file(&mut self, file: &Arc<str>, content: FileContent, options: &Options) {
        let FileContent { objects, documents, mut blind, schemas: _ } = content;
        let total = &mut self.coverage.documents;
        total.found += documents.found;
        total.parsed += documents.parsed;
        total.failed += documents.failed;
        total.template += documents.template;
        total.not_kubernetes += documents.not_kubernetes;
        total.empty += documents.empty;
        total.schema_only += documents.schema_only;
        if self.add_with_embedded(objects, options) {
            blind.push(embedded_limit(file));
        }
        self.coverage.blind.extend(blind);
    }

    /// Adds one object that stands alone, with those embedded in it.
    pub(crate) fn add_tree(&mut self, raw: Raw, options: &Options) -> ObjectId {
        let id = ObjectId(self.objects.len());
        let file = Arc::clone(&raw.document.file);
        if self.add_with_embedded(vec![raw], options) {
            self.coverage.blind.push(embedded_limit(&file));
        }
        id
    }

    /// Adds objects and those embedded in them; true: there are more than the limits let in.
    fn add_with_embedded(&mut self, objects: Vec<Raw>, options: &Options) -> bool {
        let mut embedded = 0_usize;
        let mut limited = false;
        // Depth first, so that embedded objects follow the one they stand in.
        let mut work: Vec<(Raw, Option<ObjectId>, usize)> =
            objects.into_iter().rev().map(|raw| (raw, None, 0)).collect();
        while let Some((raw, parent, level)) = work.pop() {
            let id = ObjectId(self.objects.len());
            let inside = self.add_object(raw, parent, options);
            if inside.is_empty() {
                continue;
            }
            if level >= MAX_EMBEDDED_LEVELS || embedded.saturating_add(inside.len()) > MAX_EMBEDDED {
                limited = true;
                continue;
            }
            embedded = embedded.saturating_add(inside.len());
            work.extend(inside.into_iter().rev().map(|raw| (raw, Some(id), level.saturating_add(1))));
        }
        limited
    }

    /// Adds one object and returns those embedded in it.
    fn add_object(&mut self, raw: Raw, parent: Option<ObjectId>, options: &Options) -> Vec<Raw> {
        let Raw { document, node, api_version, kind } = raw;
        let body = document.tree.value(node);
        let text = |keys: &[&str]| body.at(keys).and_then(Value::text).map(Box::<str>::from);
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let namespace = if self.is_cluster_scoped(group, &kind) {
            None
        } else {
            text(&["metadata", "namespace"]).or_else(|| options.namespace.as_deref().map(Box::from))
        };
        let name =
            text(&["metadata", "name"]).or_else(|| text(&["metadata", "generateName"])).unwrap_or_default();
        let (objects, texts) = pod::embedded(group, &kind, body);
        let mut inside: Vec<Raw> = objects
            .into_iter()
            .filter_map(|value| {
                Some(Raw {
                    document: Arc::clone(&document),
                    node: value.id(),
                    api_version: value.str_at("apiVersion")?.into(),
                    kind: value.str_at("kind")?.into(),
                })
            })
            .collect();
        for value in texts {
            let content = reader::read_text(&document, value);
            inside.extend(content.objects);
            self.coverage.blind.extend(content.blind);
        }
        if !document.tree.duplicates().is_empty() {
            self.with_duplicates.insert(ObjectId(self.objects.len()));
        }
        let id = ObjectId(self.objects.len());
        self.objects.push(Object { document, node, id, parent, api_version, kind, namespace, name });
        inside
    }

    /// Schemas of kinds that the table does not answer for, from the definitions among the files.
    pub(super) fn learn(&mut self, options: &Options) {
        let learned = std::mem::take(&mut self.definitions).learn(&self.objects, options.max_file_size);
        self.coverage.blind.extend(learned.blind);
        self.schemas = std::mem::take(&mut self.learned);
        for schema in learned.schemas.iter() {
            self.schemas.add(schema.clone());
        }
        for object in &mut self.objects {
            let schema = self.schemas.get(object.group(), &object.kind);
            if schema.is_some_and(|schema| !schema.namespaced) {
                object.namespace = None;
            }
        }
    }
}

fn embedded_limit(file: &Arc<str>) -> Blind {
    let cause = format!(
        "objects inside objects are opened {MAX_EMBEDDED_LEVELS} levels deep and {MAX_EMBEDDED} a file"
    );
    Blind::new(Reason::EmbeddedLimit, cause).mend("split the file").at(Location::whole(Arc::clone(file)))
}

/// Reads one file; a panic in a reader loses that file and is reported. Second: how to have its bytes again, if
/// definitions in it were passed over.
fn read_guarded(file: &Arc<str>, content: Content, limit: u64) -> (FileContent, Option<Again>, bool) {
    let (bytes, path) = match content {
        Content::Bytes(bytes) => (Ok(bytes), None),
        Content::File(path) => (load(&path, limit), Some(path)),
    };
    let lost = |blind: Blind| {
        let blind = vec![blind.at(Location::whole(Arc::clone(file)))];
        (FileContent { blind, ..FileContent::default() }, None, false)
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(blind) => return lost(*blind),
    };
    match panic::catch_unwind(|| reader::read(file, &bytes)) {
        Ok(content) => {
            let read = !content.blind.iter().any(|blind| blind.reason == Reason::Encoding);
            let again = (!content.schemas.is_empty()).then(|| match path.filter(|path| path.is_file()) {
                Some(path) => Again::File(path),
                None => Again::Bytes(bytes),
            });
            (content, again, read)
        }
        Err(_) => lost(
            Blind::new(Reason::Internal, "the reader failed on this file").mend("report it with the file"),
        ),
    }
}
