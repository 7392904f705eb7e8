//! Where keys stand: every text of every object of a set -> keys of known shape, each once, with all its places.

use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::Range;

use ringfence_inventory::Container;
use ringfence_inventory::Inventory;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::yaml::NodeId;
use ringfence_inventory::yaml::Value;
use ringfence_inventory::yaml::decode_base64;
use ringfence_inventory::yaml::read_json;
use ringfence_secret::Engine;
use ringfence_secret::KeyHit;
use ringfence_secret::SecretTag;

use crate::hit::Hit;

/// What a search found.
pub(crate) struct Found<'i> {
    /// Keys in the order in which they first stand.
    pub(crate) keys: Vec<Key<'i>>,
    /// Objects in documents without any key.
    pub(crate) clean: u32,
}

/// Searches a set.
pub(crate) fn search(inventory: &Inventory) -> Found<'_> {
    let mut search = Search {
        inventory,
        keys: Vec::new(),
        by_tag: HashMap::new(),
        containers: (None, HashMap::new()),
        places: 0,
    };
    let mut clean = 0_u32;
    for objects in by_document(inventory) {
        let before = search.places;
        search.document(&objects);
        if search.places == before {
            clean = clean.saturating_add(u32::try_from(objects.len()).unwrap_or(u32::MAX));
        }
    }
    Found { keys: search.keys, clean }
}

/// Objects that stand in one document, in source order; embedded ones follow the object they stand in.
fn by_document(inventory: &Inventory) -> Vec<Vec<(ObjectId, &Object)>> {
    let mut groups: Vec<Vec<(ObjectId, &Object)>> = Vec::new();
    let mut index: HashMap<*const ringfence_inventory::Document, usize> = HashMap::new();
    for (id, object) in inventory.objects() {
        let at = *index.entry(std::ptr::from_ref(object.document())).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len().saturating_sub(1)
        });
        if let Some(group) = groups.get_mut(at) {
            group.push((id, object));
        }
    }
    groups
}

/// Where a key stands.
pub(crate) struct Place<'i> {
    pub(crate) object: &'i Object,
    /// None: in no value that counts.
    pub(crate) at: Option<Value<'i>>,
    /// Bytes of the document that hold it, when they are not the value's.
    bytes: Option<Range<usize>>,
    container: Option<Container<'i>>,
}

impl<'i> Place<'i> {
    pub(crate) fn words(&self) -> String {
        if self.object.is_of_cluster() {
            return "in the name of a field".to_owned();
        }
        let line = self.bytes.clone().map_or(0, |bytes| self.object.location_of(bytes).line);
        format!("in a comment, a key or a hidden value on line {line}")
    }

    pub(crate) fn hit(&self, found: &KeyHit) -> Hit<'i> {
        let message = format!("holds {} {} {}", found.provider, found.kind, found.shown);
        let hit = match self.at {
            Some(at) => Hit::at(self.object, at, message),
            None => Hit::absent(self.object, message).supported_by_fact(self.object, self.words()),
        };
        let hit = match self.bytes.clone() {
            Some(bytes) => hit.bytes(bytes),
            None => hit,
        };
        // Answers "is it the key I know from elsewhere?" without the key.
        let hit = hit.supported_by_fact(self.object, format!("salted hash {}", found.tag));
        let hit = hit.confidence(found.confidence);
        match self.container {
            Some(container) => hit.container(container),
            None => hit,
        }
    }
}

/// One key with all its places, the first in source order first.
pub(crate) struct Key<'i> {
    pub(crate) found: KeyHit,
    pub(crate) places: Vec<Place<'i>>,
}

struct Search<'i> {
    inventory: &'i Inventory,
    keys: Vec<Key<'i>>,
    by_tag: HashMap<SecretTag, usize>,
    /// Containers of the object looked at last.
    containers: (Option<ObjectId>, HashMap<NodeId, Container<'i>>),
    /// Places of all keys.
    places: usize,
}

impl<'i> Search<'i> {
    fn document(&mut self, objects: &[(ObjectId, &'i Object)]) {
        let Some((_, first)) = objects.first() else { return };
        for (id, object) in objects {
            self.encoded_values(*id, object);
        }
        let tree = &first.document().tree;
        let engine = Engine::shared();
        let may_match = |text: &str| engine.may_match(text.as_bytes());
        // Text of a ConfigMap value is searched where it stands, not once more as the object it holds.
        let is_hosted = !std::ptr::eq(first.document(), first.document().shown(0..0).0);
        if is_hosted || !(may_match(tree.source()) || may_match(tree.resolved_text())) {
            return;
        }
        let owners: HashMap<NodeId, (ObjectId, &'i Object)> =
            objects.iter().map(|(id, object)| (object.body().id(), (*id, *object))).collect();
        let ids: HashSet<ObjectId> = objects.iter().map(|(id, _)| *id).collect();
        let top =
            objects.iter().filter(|(_, object)| object.parent.is_none_or(|parent| !ids.contains(&parent)));
        let mut seen = HashSet::new();
        for (id, object) in top {
            self.walk(*id, object, &owners, &mut seen);
        }
        self.comments(objects, &seen);
    }

    /// Every text below an object; `seen` takes the keys found.
    fn walk(
        &mut self,
        id: ObjectId,
        object: &'i Object,
        owners: &HashMap<NodeId, (ObjectId, &'i Object)>,
        seen: &mut HashSet<SecretTag>,
    ) {
        let mut work = vec![(object.body(), id, object)];
        while let Some((value, id, object)) = work.pop() {
            let (id, object) = owners.get(&value.id()).copied().unwrap_or((id, object));
            if let Some(text) = value.text() {
                let found = Engine::shared().scan(text.as_bytes());
                let lines = if found.is_empty() { HashMap::new() } else { lines_in_text(value) };
                for found in found {
                    seen.insert(found.tag);
                    let bytes = lines.get(&found.tag).cloned();
                    self.add(found, id, object, value, bytes);
                }
                continue;
            }
            let from = work.len();
            work.extend(value.children().map(|child| (child, id, object)));
            // Last in, first out: reversed, so that places come in source order.
            if let Some(added) = work.get_mut(from..) {
                added.reverse();
            }
        }
    }

    /// The storage form of a Secret is base64, and the copy that `kubectl apply` keeps of it too.
    fn encoded_values(&mut self, id: ObjectId, object: &'i Object) {
        let field = match (object.group(), &*object.kind) {
            ("", "Secret") => "data",
            ("", "ConfigMap") => "binaryData",
            _ => return,
        };
        for value in object.body().get(field).into_iter().flat_map(Value::children) {
            self.encoded(id, object, value.text(), value);
        }
        let annotations = object.body().at(&["metadata", "annotations"]);
        let last = annotations.and_then(|all| all.get("kubectl.kubernetes.io/last-applied-configuration"));
        if let Some(at) = last
            && let Some(Ok(Some((tree, _)))) = at.text().map(read_json)
        {
            for value in tree.root().get(field).into_iter().flat_map(Value::children) {
                self.encoded(id, object, value.text(), at);
            }
        }
    }

    fn encoded(&mut self, id: ObjectId, object: &'i Object, text: Option<&str>, at: Value<'i>) {
        let Some(bytes) = text.and_then(decode_base64) else { return };
        for found in Engine::shared().scan(&bytes) {
            self.add(found, id, object, at, None);
        }
    }

    /// What stands in the text of the file, but in no value: a line that was commented out is as readable as before.
    fn comments(&mut self, objects: &[(ObjectId, &'i Object)], seen: &HashSet<SecretTag>) {
        let Some((_, first)) = objects.first() else { return };
        for found in Engine::shared().scan(first.document().tree.source().as_bytes()) {
            if seen.contains(&found.tag) {
                continue;
            }
            let holds = |range: Range<usize>| range.contains(&found.range.start);
            let inside = objects.iter().rev().find(|(_, object)| holds(object.body().range()));
            let object = inside.map_or(*first, |(_, object)| *object);
            let bytes = Some(found.range.clone());
            self.put(found, Place { object, at: None, bytes, container: None });
        }
    }

    fn add(
        &mut self,
        found: KeyHit,
        id: ObjectId,
        object: &'i Object,
        at: Value<'i>,
        bytes: Option<Range<usize>>,
    ) {
        let container = self.container_of(id, at);
        self.put(found, Place { object, at: Some(at), bytes, container });
    }

    /// The container a value belongs to.
    fn container_of(&mut self, id: ObjectId, at: Value<'i>) -> Option<Container<'i>> {
        let inventory = self.inventory;
        if self.containers.0 != Some(id) {
            let all = inventory.pods_of(id).flat_map(|pod| pod.containers().map(|one| (one.value.id(), one)));
            self.containers = (Some(id), all.collect());
        }
        let mut next = Some(at);
        while let Some(value) = next {
            if let Some(container) = self.containers.1.get(&value.id()) {
                return Some(*container);
            }
            next = value.parent();
        }
        None
    }

    fn put(&mut self, found: KeyHit, place: Place<'i>) {
        let at = *self.by_tag.entry(found.tag).or_insert_with(|| {
            self.keys.push(Key { found, places: Vec::new() });
            self.keys.len().saturating_sub(1)
        });
        let Some(key) = self.keys.get_mut(at) else { return };
        // An alias repeats its anchor's text, and a text can hold a key twice: one place. Documents come one by one.
        let here = |known: &&Place<'i>| std::ptr::eq(known.object.document(), place.object.document());
        let range = |place: &Place<'i>| place.at.map(Value::range);
        let is_known = key.places.iter().rev().take_while(here).any(|known| range(known) == range(&place));
        if !is_known {
            key.places.push(place);
            self.places = self.places.saturating_add(1);
        }
    }
}

/// Where each key stands in a text of many lines: the text begins elsewhere.
fn lines_in_text(at: Value<'_>) -> HashMap<SecretTag, Range<usize>> {
    let whole = at.range();
    let Some(text) = at.tree().source().get(whole.clone()).filter(|text| text.contains('\n')) else {
        return HashMap::new();
    };
    let mut lines = HashMap::new();
    for hit in Engine::shared().scan(text.as_bytes()) {
        let place = whole.start.saturating_add(hit.range.start)..whole.start.saturating_add(hit.range.end);
        lines.entry(hit.tag).or_insert(place);
    }
    lines
}
