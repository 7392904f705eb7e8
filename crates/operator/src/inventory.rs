//! Room `operator`: what a domain has written, as its status keeps it: evidence for what may be removed again. It is written
//! before the object is, so that nothing written is ever missing from it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_domain::DesiredObject;
use ringfence_domain::ObjectKey;
use ringfence_domain::spec::InventoryEntry;
use serde_json::Value;

use crate::source::Source;
use crate::store::Key;

/// Most entries and most objects per entry that the definition allows.
const ENTRIES: usize = 400;
const OBJECTS: usize = 128;

/// An object that was written. Of a node, also the taint, `key=value:effect`: who takes a taint away must know that it put
/// it there.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Written {
    /// Where it is seen.
    pub(crate) key: Key,
    /// Taint of a node.
    pub(crate) taint: Option<String>,
}

impl Written {
    /// What a desired object will have been; none for a kind that is not watched.
    pub(crate) fn of(object: &DesiredObject) -> Option<Self> {
        let taint =
            object.body.pointer("/spec/taints/0").filter(|_| object.id.kind == "Node").map(taint_words);
        Some(Self { key: key_of(object)?, taint })
    }
}

/// Where a desired object is seen; none for a kind that is not watched.
pub(crate) fn key_of(object: &DesiredObject) -> Option<Key> {
    key_of_id(&object.id)
}

/// The same of its name alone.
pub(crate) fn key_of_id(id: &ObjectKey) -> Option<Key> {
    let source = Source::of_kind(&id.kind)?;
    Some(Key { source, namespace: id.namespace.clone(), name: id.name.clone() })
}

/// `key=value:effect`.
pub(crate) fn taint_words(taint: &Value) -> String {
    let text = |key: &str| taint.get(key).and_then(Value::as_str).unwrap_or_default();
    format!("{}={}:{}", text("key"), text("value"), text("effect"))
}

/// What a status says was written. Kinds that are not watched are passed over.
pub(crate) fn read(entries: &[InventoryEntry]) -> BTreeSet<Written> {
    let objects = entries.iter().flat_map(|entry| entry.objects.iter().map(move |object| (entry, object)));
    let written = objects.filter_map(|(entry, object)| {
        let (kind, name) = object.split_once('/')?;
        let source = Source::of_kind(kind)?;
        let (name, taint) = match name.split_once('/') {
            Some((name, taint)) => (name, Some(taint.to_owned())),
            None => (name, None),
        };
        // A Namespace stands in the entry of its own.
        let namespace = if source == Source::Namespaces { String::new() } else { entry.namespace.clone() };
        Some(Written { key: Key { source, namespace, name: name.into() }, taint })
    });
    written.collect()
}

/// The form of a status; whether all of it found room.
pub(crate) fn entries(written: &BTreeSet<Written>) -> (Vec<InventoryEntry>, bool) {
    let mut by_namespace: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for it in written {
        let key = &it.key;
        let namespace = if key.source == Source::Namespaces { &key.name } else { &key.namespace };
        let taint = it.taint.as_ref().map_or_else(String::new, |taint| format!("/{taint}"));
        let object = format!("{}/{}{taint}", key.source.kind(), key.name);
        by_namespace.entry(namespace).or_default().push(object);
    }
    let mut entries: Vec<_> = by_namespace
        .into_iter()
        .flat_map(|(namespace, objects)| {
            let chunks: Vec<_> = objects.chunks(OBJECTS).map(<[String]>::to_vec).collect();
            chunks.into_iter().map(|objects| InventoryEntry { namespace: namespace.into(), objects })
        })
        .collect();
    let fits = entries.len() <= ENTRIES;
    entries.truncate(ENTRIES);
    (entries, fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(source: Source, namespace: &str, name: &str, taint: Option<&str>) -> Written {
        let key = Key { source, namespace: namespace.into(), name: name.into() };
        Written { key, taint: taint.map(str::to_owned) }
    }

    #[test]
    fn what_is_written_to_a_status_is_what_is_read_from_it() {
        let all = BTreeSet::from([
            written(Source::Namespaces, "", "ml", None),
            written(Source::NetworkPolicies, "ml", "rf-egress", None),
            written(Source::Nodes, "", "gpu-1", Some("nvidia.com/gpu=true:NoSchedule")),
            written(Source::Nodes, "", "gpu-2", None),
        ]);
        let (entries, fits) = entries(&all);
        assert!(fits);
        assert_eq!(entries.len(), 2, "one of the namespace, one of the cluster");
        assert_eq!(entries[1].objects, ["Namespace/ml", "NetworkPolicy/rf-egress"]);
        assert_eq!(read(&entries), all);
    }

    #[test]
    fn many_nodes_take_several_entries_and_too_many_namespaces_do_not_fit() {
        let nodes = (0..300).map(|it| written(Source::Nodes, "", &format!("n{it}"), None)).collect();
        let (found, fits) = entries(&nodes);
        assert!(fits && found.len() == 3 && found.iter().all(|it| it.objects.len() <= 128));
        let many = (0..401).map(|it| written(Source::Namespaces, "", &format!("n{it}"), None)).collect();
        assert!(!entries(&many).1);
    }
}
