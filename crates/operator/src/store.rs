//! Room `operator`: what was last seen of each watched object. Events and answers to our own writes go in, in any order;
//! the newest of each object stays.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use kube::Api;
use kube::Client;
use kube::api::DynamicObject;
use ringfence_domain::DesiredObject;
use ringfence_domain::Drift;
use ringfence_domain::compare;
use ringfence_domain::names;
use serde_json::Value;

use crate::source::Source;

/// Namespace (empty for what belongs to the cluster) and name.
pub(crate) type Name = (String, String);

/// Where an object is seen.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Key {
    /// Its source.
    pub(crate) source: Source,
    /// Namespace; empty for what belongs to the cluster.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
}

impl Key {
    /// Of something without a namespace.
    pub(crate) fn global(source: Source, name: &str) -> Self {
        Self { source, namespace: String::new(), name: name.into() }
    }

    /// Where its kind is, for a request.
    pub(crate) fn api(&self, client: &Client) -> Api<DynamicObject> {
        let resource = self.source.api_resource();
        if self.namespace.is_empty() {
            Api::all_with(client.clone(), &resource)
        } else {
            Api::namespaced_with(client.clone(), &self.namespace, &resource)
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} ", self.source.kind())?;
        if !self.namespace.is_empty() {
            write!(out, "{}/", self.namespace)?;
        }
        out.write_str(&self.name)
    }
}

/// Everything that is known of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Store {
    tables: BTreeMap<Source, Table>,
    /// Served kinds as `group/version/Kind`; none until asked.
    pub(crate) served: Option<BTreeSet<String>>,
    /// Issuer of the cluster's tokens; none until asked, or where it is not told.
    pub(crate) issuer: Option<String>,
}

/// What is known of a source.
#[derive(Debug, Default)]
struct Table {
    objects: BTreeMap<Name, Live>,
    sight: Sight,
    /// Seen in the list that is coming in; what is not in it is gone at its end.
    listing: Option<BTreeSet<Name>>,
}

/// Whether all objects of a source were seen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Sight {
    /// The first list has not come.
    #[default]
    Waiting,
    /// All are here.
    Whole,
    /// The server refused, in its words.
    Refused(String),
}

/// An object as last seen. What is looked at each time is kept at hand, all else as JSON text: of a thousand namespaces there
/// are nine thousand objects, and a tree of values takes five times the memory of its text.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    name: Name,
    uid: Box<str>,
    labels: Strings,
    annotations: Strings,
    is_going: bool,
    /// The part that is kept, without `resourceVersion`.
    text: Box<str>,
    /// [`Body::digest`] of what it was found to agree with.
    agreed: OnceLock<[u8; 32]>,
    /// Its `resourceVersion`.
    pub(crate) version: String,
    /// Field manager of the last change that was not ours.
    pub(crate) by: Option<String>,
}

type Strings = Box<[(Box<str>, Box<str>)]>;

impl Live {
    /// An object as it came.
    pub(crate) fn new(source: Source, mut value: Value) -> Self {
        let by = changed_by(&value);
        source.keep(&mut value);
        let metadata = value.get_mut("metadata").and_then(Value::as_object_mut);
        let version = metadata.and_then(|it| it.remove("resourceVersion"));
        let version = version.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        Self {
            name: (text("/metadata/namespace").to_owned(), text("/metadata/name").to_owned()),
            uid: text("/metadata/uid").into(),
            labels: strings(value.pointer("/metadata/labels")),
            annotations: strings(value.pointer("/metadata/annotations")),
            is_going: !text("/metadata/deletionTimestamp").is_empty()
                || text("/status/phase") == "Terminating",
            text: value.to_string().into(),
            agreed: OnceLock::new(),
            version,
            by,
        }
    }

    /// The part that is kept. It is parsed each time.
    pub(crate) fn tree(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// What is at a JSON pointer; null if there is nothing. The object is parsed each time.
    pub(crate) fn pointer(&self, pointer: &str) -> Value {
        self.tree().pointer_mut(pointer).map(Value::take).unwrap_or_default()
    }

    /// The fields in which it differs from what it should be. Where none does it is not compared again.
    pub(crate) fn drift(&self, object: &DesiredObject) -> Vec<Drift> {
        let digest = object.body.digest();
        if self.agreed.get() == Some(&digest) {
            return Vec::new();
        }
        let drift = compare(object, &self.tree());
        if drift.is_empty() {
            let _ = self.agreed.set(digest);
        }
        drift
    }

    /// An annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        find(&self.annotations, key)
    }

    /// A label.
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        find(&self.labels, key)
    }

    /// All labels.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    /// Whether it is being deleted; of a namespace, with what is in it.
    pub(crate) fn is_going(&self) -> bool {
        self.is_going
    }

    /// Its UID.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    /// Whether a domain wrote it, by our annotation.
    pub(crate) fn is_of(&self, domain_uid: &str) -> bool {
        !domain_uid.is_empty() && self.annotation(names::OWNER_ANNOTATION) == Some(domain_uid)
    }

    /// Its namespace and name.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }
}

fn strings(map: Option<&Value>) -> Strings {
    let map = map.and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into()))).collect()
}

fn find<'a>(strings: &'a Strings, key: &str) -> Option<&'a str> {
    strings.iter().find(|it| *it.0 == *key).map(|it| &*it.1)
}

impl Store {
    /// Objects of a source, by name.
    pub(crate) fn all(&self, source: Source) -> impl Iterator<Item = (&Name, &Live)> {
        self.tables.get(&source).into_iter().flat_map(|table| &table.objects)
    }

    /// An object.
    pub(crate) fn get(&self, source: Source, namespace: &str, name: &str) -> Option<&Live> {
        self.tables.get(&source)?.objects.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// An object, by where it is.
    pub(crate) fn at(&self, key: &Key) -> Option<&Live> {
        self.get(key.source, &key.namespace, &key.name)
    }

    /// Takes out what we removed: its event comes later.
    pub(crate) fn forget(&mut self, key: &Key) {
        if let Some(table) = self.tables.get_mut(&key.source) {
            table.objects.remove(&(key.namespace.clone(), key.name.clone()));
        }
    }

    /// Whether all objects of a source were seen.
    pub(crate) fn sight(&self, source: Source) -> &Sight {
        self.tables.get(&source).map_or(&Sight::Waiting, |table| &table.sight)
    }

    /// Notes that a source cannot be seen.
    pub(crate) fn refuse(&mut self, source: Source, words: String) -> bool {
        let table = self.tables.entry(source).or_default();
        let news = table.sight != Sight::Refused(words.clone());
        table.sight = Sight::Refused(words);
        news
    }

    /// Puts in what was seen. Whether something that counts is new. An older state than the one that is here is no news: a
    /// watch lags behind the answers to our own writes.
    pub(crate) fn put(&mut self, source: Source, live: Live) -> bool {
        let table = self.tables.entry(source).or_default();
        let name = live.name().clone();
        if let Some(listing) = &mut table.listing {
            listing.insert(name.clone());
        }
        let old = table.objects.get(&name);
        if old.is_some_and(|old| is_older(&live.version, &old.version)) {
            return false;
        }
        let news = old.is_none_or(|old| old.text != live.text);
        table.objects.insert(name, live);
        news
    }

    /// Takes out what was seen to go.
    pub(crate) fn remove(&mut self, source: Source, live: &Live) -> bool {
        let table = self.tables.entry(source).or_default();
        let name = live.name();
        if table.objects.get(name).is_some_and(|old| is_older(&live.version, &old.version)) {
            return false;
        }
        table.objects.remove(name).is_some()
    }

    /// A whole list begins.
    pub(crate) fn begin(&mut self, source: Source) {
        self.tables.entry(source).or_default().listing = Some(BTreeSet::new());
    }

    /// It has ended. Whether something went or the source is seen for the first time.
    pub(crate) fn end(&mut self, source: Source) -> bool {
        let table = self.tables.entry(source).or_default();
        let Some(listed) = table.listing.take() else { return false };
        let before = table.objects.len();
        table.objects.retain(|name, _| listed.contains(name));
        let news = table.sight != Sight::Whole || table.objects.len() != before;
        table.sight = Sight::Whole;
        news
    }
}

/// Whether a state comes before another of the same object. Resource versions of one kind are numbers that grow (stable
/// since Kubernetes 1.35, true before); what is no number is taken as newer.
fn is_older(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version < than,
        _ => false,
    }
}

/// Field manager of the newest entry that is not ours. A manager that only removed a field may have none.
fn changed_by(object: &Value) -> Option<String> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?.iter();
    let text =
        |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    entries
        .filter(|entry| text(entry, "subresource").is_empty())
        .map(|entry| (text(entry, "time"), text(entry, "manager")))
        .filter(|(_, manager)| manager != names::FIELD_MANAGER && !manager.is_empty())
        .max()
        .map(|(_, manager)| manager)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(name: &str, version: u64, spec: &str) -> Live {
        let value = json!({"metadata": {"namespace": "ml", "name": name, "labels": {"ringfence.dev/domain": "a"},
            "resourceVersion": version.to_string()}, "spec": spec});
        Live::new(Source::NetworkPolicies, value)
    }

    #[test]
    fn an_older_state_is_no_news() {
        let mut store = Store::default();
        assert!(store.put(Source::NetworkPolicies, policy("a", 7, "new")));
        assert!(!store.put(Source::NetworkPolicies, policy("a", 6, "old")));
        assert!(!store.remove(Source::NetworkPolicies, &policy("a", 6, "old")));
        assert_eq!(store.get(Source::NetworkPolicies, "ml", "a").unwrap().pointer("/spec"), "new");
        assert!(!store.put(Source::NetworkPolicies, policy("a", 9, "new")), "only the version changed");
        assert!(store.remove(Source::NetworkPolicies, &policy("a", 10, "new")));
    }

    #[test]
    fn what_a_new_list_does_not_hold_is_gone() {
        let mut store = Store::default();
        let source = Source::NetworkPolicies;
        for name in ["a", "b"] {
            store.put(source, policy(name, 1, "x"));
        }
        assert_eq!(*store.sight(source), Sight::Waiting);
        store.begin(source);
        assert!(!store.put(source, policy("b", 1, "x")));
        assert!(store.end(source));
        assert_eq!(*store.sight(source), Sight::Whole);
        assert_eq!(store.all(source).map(|(name, _)| name.1.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn names_who_changed_an_object_last_beside_us() {
        let entry = |manager: &str, time: &str| json!({"manager": manager, "time": time});
        let object = json!({"metadata": {"managedFields": [
            entry("ringfence.dev/controller", "2026-01-03T00:00:00Z"),
            entry("kubectl-edit", "2026-01-02T00:00:00Z"),
            entry("helm", "2026-01-01T00:00:00Z"),
            {"manager": "kubelet", "time": "2026-01-04T00:00:00Z", "subresource": "status"},
        ]}});
        assert_eq!(changed_by(&object).as_deref(), Some("kubectl-edit"));
        assert_eq!(changed_by(&json!({})), None);
    }
}
