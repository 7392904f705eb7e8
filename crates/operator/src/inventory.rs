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

/// Most entries, and most namespaces and objects per entry, that the definition allows.
const ENTRIES: usize = 400;
const NAMESPACES: usize = 1_000;
const OBJECTS: usize = 128;
/// Bytes of all of them, and of them together with the accepted spec, which names the same namespaces again where they are
/// named: a status as a whole is 30 KB at most.
const BYTES: usize = 20_000;
const WITH_SPEC: usize = 22_000;
/// A namespace itself, among its objects.
const OWN: &str = "Namespace";

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
        let node = (object.id.kind == "Node").then(|| object.body.tree());
        let taint = node.as_ref().and_then(|it| it.pointer("/spec/taints/0"));
        Some(Self { key: key_of(object)?, taint: taint.map(taint_words) })
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
    let mut written = BTreeSet::new();
    for entry in entries {
        let none = [String::new()];
        let namespaces = if entry.namespaces.is_empty() { &none[..] } else { &entry.namespaces };
        for namespace in namespaces {
            written.extend(entry.objects.iter().filter_map(|object| one(namespace, object)));
        }
    }
    written
}

fn one(namespace: &str, object: &str) -> Option<Written> {
    if object == OWN {
        return Some(Written { key: Key::global(Source::Namespaces, namespace), taint: None });
    }
    let (kind, name) = object.split_once('/')?;
    let source = Source::of_kind(kind)?;
    let (name, taint) = match name.split_once('/') {
        Some((name, taint)) => (name, Some(taint.to_owned())),
        None => (name, None),
    };
    Some(Written { key: Key { source, namespace: namespace.into(), name: name.into() }, taint })
}

/// The form of a status that keeps this spec; whether all of it found room. Most namespaces of a domain get the same objects,
/// which stand once.
pub(crate) fn entries(written: &BTreeSet<Written>, accepted: Option<&str>) -> (Vec<InventoryEntry>, bool) {
    let spec = accepted.map_or(0, |it| Value::from(it).to_string().len());
    let mut by_namespace: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for it in written {
        let key = &it.key;
        let (namespace, object) = if key.source == Source::Namespaces {
            (&key.name, OWN.to_owned())
        } else {
            let taint = it.taint.as_ref().map_or_else(String::new, |taint| format!("/{taint}"));
            (&key.namespace, format!("{}/{}{taint}", key.source.kind(), key.name))
        };
        by_namespace.entry(namespace).or_default().push(object);
    }
    let mut by_objects: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for (namespace, mut objects) in by_namespace {
        objects.sort();
        for objects in objects.chunks(OBJECTS) {
            by_objects.entry(objects.to_vec()).or_default().push(namespace.to_owned());
        }
    }
    // What stands in no namespace first: taints that nobody knows of would close nodes for ever.
    let mut groups: Vec<_> = by_objects.into_iter().collect();
    groups.sort_by_key(|(_, namespaces)| !namespaces.iter().all(String::is_empty));
    let (mut entries, mut left, mut fits) = (Vec::new(), BYTES.min(WITH_SPEC.saturating_sub(spec)), true);
    for (objects, namespaces) in groups {
        let fixed: usize = objects.iter().map(|it| it.len() + 3).sum();
        let mut rest = namespaces.as_slice();
        while !rest.is_empty() {
            let mut room = left.saturating_sub(fixed);
            let mut holds = |name: &String| {
                let holds = name.len() + 3 <= room;
                room = room.saturating_sub(name.len() + 3);
                holds
            };
            let count = rest.iter().take(NAMESPACES).take_while(|it| holds(it)).count();
            if count == 0 || entries.len() == ENTRIES {
                fits = false;
                break;
            }
            let (now, later) = rest.split_at(count);
            left = left.saturating_sub(fixed + now.iter().map(|it| it.len() + 3).sum::<usize>());
            let namespaces = now.iter().filter(|it| !it.is_empty()).cloned().collect();
            entries.push(InventoryEntry { namespaces, objects: objects.clone() });
            rest = later;
        }
    }
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
        let (entries, fits) = entries(&all, None);
        assert!(fits);
        assert_eq!(entries.len(), 2, "one of the namespace, one of the cluster");
        assert_eq!(entries[1].objects, ["Namespace", "NetworkPolicy/rf-egress"]);
        assert_eq!(read(&entries), all);
    }

    #[test]
    fn many_nodes_take_several_entries_and_a_thousand_namespaces_with_the_same_take_one() {
        let nodes = (0..300).map(|it| written(Source::Nodes, "", &format!("n{it}"), None)).collect();
        let (found, fits) = entries(&nodes, None);
        assert!(fits && found.len() == 3 && found.iter().all(|it| it.objects.len() <= 128));
        assert_eq!(read(&found), nodes);
        let team = |number: usize| {
            let name = format!("team-{number:04}");
            [
                written(Source::Namespaces, "", &name, None),
                written(Source::ResourceQuotas, &name, "rf-quota", None),
                written(Source::NetworkPolicies, &name, "rf-default-deny", None),
            ]
        };
        let many: BTreeSet<_> = (0..1_000).flat_map(team).collect();
        let (found, fits) = entries(&many, None);
        assert!(fits && found.len() == 1);
        assert_eq!(read(&found), many);
        // What does not fit is missing by itself, and nothing else is.
        let long = |number: usize| written(Source::Namespaces, "", &format!("{number:0>60}"), None);
        let node = written(Source::Nodes, "", "gpu-1", Some("a=b:NoSchedule"));
        let too_many: BTreeSet<_> = (0..1_000).map(long).chain([node.clone()]).collect();
        let (found, fits) = entries(&too_many, None);
        let known = read(&found);
        assert!(!fits && known.contains(&node) && known.len() > 300 && known.is_subset(&too_many));
        assert!(serde_json::to_string(&found).unwrap().len() < 30_000);
    }
}
