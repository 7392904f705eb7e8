//! Objects of a text as a cluster would have sent them, and a cluster that does not show everything.

use ringfence_inventory::Extent;
use ringfence_inventory::Gap;
use ringfence_inventory::GapKind;
use ringfence_inventory::Inventory;
use ringfence_inventory::Listed;
use ringfence_inventory::Object;
use ringfence_inventory::Snapshot;
use ringfence_inventory::Want;
use ringfence_inventory::Why;
use ringfence_inventory::plan;
use ringfence_inventory::yaml::Scalar;
use ringfence_inventory::yaml::Value;
use serde_json::Value as Json;

/// The objects of a text as a cluster would have sent them.
pub(crate) fn snapshot(text: &str) -> Snapshot {
    let inventory = Inventory::from_text(text);
    let mut snapshot = Snapshot::default();
    let mut wants = plan();
    for (number, object) in inventory.objects().filter(|(_, object)| object.parent.is_none()) {
        snapshot.add(&live(object, number.0).to_string()).unwrap();
        wants.push(Want {
            group: object.group().to_owned(),
            kind: object.kind.to_string(),
            plural: String::new(),
            why: Why::Pods,
        });
    }
    snapshot.lists = wants.iter().map(|want| Listed::whole(want, Some("v1"))).collect();
    snapshot
}

fn live(object: &Object, number: usize) -> Json {
    let mut json = json(object.body());
    json["apiVersion"] = object.api_version.to_string().into();
    json["kind"] = object.kind.to_string().into();
    json["metadata"]["uid"] = format!("u-{number}").into();
    json["metadata"]["resourceVersion"] = (1000 + number).to_string().into();
    json
}

fn json(value: Value<'_>) -> Json {
    if value.is_mapping() {
        return value.entries().map(|(key, value)| (key.to_owned(), json(value))).collect();
    }
    if value.is_sequence() {
        return value.items().map(json).collect();
    }
    match value.scalar().unwrap() {
        Scalar::Null => Json::Null,
        Scalar::Bool(value) => value.into(),
        Scalar::Int(value) => value.into(),
        Scalar::UInt(value) => value.into(),
        Scalar::Float(value) => value.into(),
        Scalar::Str(text) => text.into(),
    }
}

/// The same, of a cluster that refuses to list these kinds.
pub(crate) fn without(text: &str, kinds: &[(&str, &str)]) -> Snapshot {
    let kept = Inventory::from_text(text);
    let mut all = snapshot("");
    for (id, object) in kept.objects() {
        if object.parent.is_none() && !kinds.contains(&(object.group(), &*object.kind)) {
            all.add(&live(object, id.0).to_string()).unwrap();
        }
    }
    for listed in &mut all.lists {
        if kinds.contains(&(listed.group.as_str(), listed.kind.as_str())) {
            listed.extent = Extent::Nowhere;
            listed.gap = Some(Gap { kind: GapKind::Forbidden, message: "forbidden for jane".to_owned() });
        }
    }
    all
}
