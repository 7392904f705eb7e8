//! What must hold whatever the set: knowing more never hides, knowing less never passes, and identity outlives the order
//! in which things are written. Every base and every fixture of every control is a case.

mod support;

use std::collections::BTreeSet;

use ringfence_controls::catalogue;
use ringfence_controls::judge;
use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use ringfence_finding::ResourceRef;
use ringfence_finding::Weight;
use ringfence_inventory::Input;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::yaml::read_yaml;
use serde_json::Value as Json;
use support::counted;
use support::documents;
use support::fixtures;
use support::joined;
use support::judged;
use support::line;

/// Name and text of every case.
fn cases() -> Vec<(String, String)> {
    let mut cases: Vec<_> = ringfence_fixture::bases()
        .into_iter()
        .map(|base| (format!("base {base}"), ringfence_fixture::base(&base)))
        .collect();
    for name in ["bad", "good", "unknown"] {
        cases.extend(fixtures(name).into_iter().map(|(slug, text)| (format!("{slug}/{name}"), text)));
    }
    cases
}

/// Objects of another team that no workload of a case has to do with.
const UNRELATED: [&str; 6] = [
    "apiVersion: v1
kind: Namespace
metadata: {name: shop}
",
    "apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: cart, image: shop.example/cart:1}]}
",
    "apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 80}]}
",
    "apiVersion: v1
kind: ConfigMap
metadata: {name: cart, namespace: shop}
data: {currency: EUR}
",
    "apiVersion: v1
kind: Node
metadata: {name: cpu-node-1}
status: {capacity: {cpu: '8'}}
",
    "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shop}
provisioner: ebs.csi.aws.com
parameters: {encrypted: 'true'}
reclaimPolicy: Delete
",
];

#[test]
fn an_unrelated_object_changes_nothing_but_unknown_to_known() {
    for (name, text) in cases() {
        let before = judged(&text);
        let own = documents(&text);
        for added in UNRELATED.map(str::to_owned) {
            let (first, last) =
                (joined([&added].into_iter().chain(&own)), joined(own.iter().chain([&added])));
            for more in [first, last] {
                compare(&name, &added, &before, &judged(&more));
            }
        }
    }
}

fn compare(name: &str, added: &str, before: &[Finding], after: &[Finding]) {
    let (old, new) = (counted(before), counted(after));
    let known: BTreeSet<_> = before
        .iter()
        .filter(|finding| finding.outcome == Outcome::Unknown)
        .filter(|finding| !new.contains_key(&support::identity(finding)))
        .map(|finding| finding.control)
        .collect();
    for finding in before.iter().filter(|finding| finding.outcome != Outcome::Unknown) {
        let identity = support::identity(finding);
        assert_eq!(
            old[&identity],
            new.get(&identity).copied().unwrap_or(0),
            "{name} + {added}: {}",
            line(finding)
        );
    }
    for finding in after {
        let is_new = !old.contains_key(&support::identity(finding));
        assert!(!is_new || known.contains(&finding.control), "{name} + {added}: new: {}", line(finding));
    }
}

#[test]
fn a_missing_fact_never_turns_fail_or_unknown_into_pass() {
    for (name, text) in cases() {
        let before = judged(&text);
        let own = documents(&text);
        for (index, removed) in own.iter().enumerate() {
            // Without its workload a control has nothing to judge: that is no missing fact.
            if Inventory::from_text(removed).pods().len() > 0 {
                continue;
            }
            let rest =
                own.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, document)| document);
            let after = judged(&joined(rest));
            let is_removed = removed_object(removed);
            for finding in &before {
                if is_about(finding, &is_removed) {
                    continue;
                }
                let stays = after.iter().any(|other| {
                    other.control == finding.control
                        && (other.fingerprint == finding.fingerprint
                            || (other.outcome == Outcome::Unknown && other.resource.is_none()))
                });
                assert!(stays, "{name} without\n{removed}\nlost {}", line(finding));
            }
        }
    }
}

/// Identity of the only object of a document.
fn removed_object(document: &str) -> Vec<ResourceRef> {
    let inventory = Inventory::from_text(document);
    inventory.objects().map(|(_, object)| inventory.reference(object)).collect()
}

/// Whether a finding stands in one of the objects, or is decided by one: removing the flaw may remove the finding.
fn is_about(finding: &Finding, objects: &[ResourceRef]) -> bool {
    let deciding = finding.evidence.iter().filter(|piece| piece.weight == Weight::Decides);
    let named = finding.resource.iter().chain(deciding.map(|piece| &piece.resource));
    let same = |one: &ResourceRef, other: &ResourceRef| {
        (one.group(), &one.kind, &one.namespace, &one.name)
            == (other.group(), &other.kind, &other.namespace, &other.name)
    };
    named.into_iter().any(|one| objects.iter().any(|object| same(one, object)))
}

#[test]
fn identity_outlives_order_comments_format_and_file_name() {
    for (name, text) in cases() {
        let expected = counted(&judged(&text));
        let own = documents(&text);
        let reversed = joined(own.iter().rev());
        let commented: String =
            own.iter().flat_map(|one| ["---\n# checked in March\n", one, "# end\n"]).collect();
        let reordered: Vec<String> = own
            .iter()
            .map(|one| {
                let tree = read_yaml(one).unwrap().unwrap();
                format!("{}\n", reordered(ringfence_fixture::to_json(tree.root())))
            })
            .collect();
        let reordered = joined(&reordered);
        for (how, other) in [("reversed", reversed), ("commented", commented), ("reordered", reordered)] {
            assert_eq!(counted(&judged(&other)), expected, "{name} {how}");
        }
        let input = Input::from_bytes("team/renamed.yaml", text.into_bytes());
        let inventory = Inventory::read(input, &Options::default());
        assert_eq!(counted(&judge(&inventory, &catalogue()).findings), expected, "{name} renamed");
    }
}

/// Keys of mappings, and items of lists that have a key of their own, the other way round.
fn reordered(value: Json) -> Json {
    match value {
        Json::Object(entries) => {
            entries.into_iter().rev().map(|(key, value)| (key, reordered(value))).collect()
        }
        Json::Array(items) => {
            let is_keyed = |item: &Json| {
                ["name", "groupName", "mountPath", "key"].iter().any(|key| item[*key].is_string())
            };
            let keyed = items.iter().all(is_keyed);
            let mut items: Vec<Json> = items.into_iter().map(reordered).collect();
            if keyed {
                items.reverse();
            }
            items.into()
        }
        scalar => scalar,
    }
}

#[test]
fn a_renamed_container_is_another_identity() {
    let mut seen = 0;
    for (name, text) in fixtures("bad") {
        let before = judged(&text);
        for finding in before.iter().filter(|finding| finding.container.is_some()) {
            let container = finding.container.as_deref().unwrap();
            let renamed = text.replace(&format!("name: {container}\n"), &format!("name: {container}-2\n"));
            let after = judged(&renamed);
            let same = after.iter().any(|other| other.fingerprint == finding.fingerprint);
            let moved = after.iter().any(|other| {
                other.control == finding.control && other.container == Some(format!("{container}-2"))
            });
            assert!(!same && moved, "{name}: {}", line(finding));
            seen += 1;
        }
    }
    assert!(seen >= 3, "only {seen} bad fixtures stand in a container");
}
