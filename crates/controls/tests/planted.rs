//! One object of every kind that carries pods, with flaws planted by hand, scanned as files together with the reduced
//! definitions: each flaw is found, and nothing that was not planted.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_controls::catalogue;
use ringfence_controls::judge;
use ringfence_finding::FoundBy;
use ringfence_finding::Outcome;
use ringfence_fixture::planted;
use ringfence_inventory::Input;
use ringfence_inventory::Inventory;
use ringfence_inventory::KindSchema;
use ringfence_inventory::Object;
use ringfence_inventory::Options;
use ringfence_inventory::split;
use ringfence_inventory::yaml::read_yaml;

/// Files as a folder holds them.
fn scanned(files: impl IntoIterator<Item = planted::File>) -> Inventory {
    let inputs = files.into_iter().map(|file| Input::from_bytes(&file.name, file.text.into_bytes()));
    Inventory::read(inputs.reduce(Input::and).unwrap(), &Options::default())
}

/// `Kind/namespace/name`.
fn name_of(object: &Object) -> String {
    let namespace = object.namespace.as_deref().map_or_else(String::new, |namespace| format!("{namespace}/"));
    format!("{}/{namespace}{}", object.kind, object.name)
}

fn definitions() -> Vec<KindSchema> {
    let mut kinds = Vec::new();
    for file in planted::definitions() {
        for piece in split(&file.text) {
            let tree = read_yaml(&file.text[piece.range]).unwrap().unwrap();
            kinds.push(KindSchema::from_crd(tree.root()).unwrap());
        }
    }
    kinds
}

#[test]
fn every_planted_flaw_is_found_and_no_other() {
    let inventory = scanned(planted::definitions().into_iter().chain(planted::objects()));
    assert!(!inventory.coverage.is_incomplete(), "{:?}", inventory.coverage.blind);
    let flaws = planted::flaws();
    let controls: BTreeSet<&str> = flaws.iter().map(|(control, _)| control.as_str()).collect();
    let fails = judge(&inventory, &catalogue())
        .findings
        .into_iter()
        .filter(|finding| finding.outcome == Outcome::Fail);
    let found: BTreeSet<(String, String)> = fails
        .map(|finding| {
            let resource = finding.resource.unwrap();
            let namespace = resource.namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
            (finding.control.to_string(), format!("{}/{namespace}{}", resource.kind, resource.name))
        })
        .filter(|(control, _)| controls.contains(control.as_str()))
        .collect();
    let missed: Vec<_> = flaws.difference(&found).collect();
    let extra: Vec<_> = found.difference(&flaws).collect();
    assert!(missed.is_empty() && extra.is_empty(), "missed: {missed:#?}\nnot planted: {extra:#?}");
}

#[test]
fn every_kind_has_an_object_with_a_flaw() {
    let inventory = scanned(planted::objects());
    let flawed: BTreeSet<String> = planted::flaws().into_iter().map(|(_, object)| object).collect();
    let mut kinds = BTreeMap::new();
    for (_, object) in inventory.objects() {
        if flawed.contains(&name_of(object)) {
            *kinds.entry((object.group().to_owned(), object.kind.to_string())).or_insert(0) += 1;
        }
    }
    let defined: BTreeMap<_, _> =
        definitions().iter().map(|kind| ((kind.group.to_string(), kind.kind.to_string()), 1)).collect();
    assert_eq!(kinds, defined, "one object with a flaw of every kind");
}

#[test]
fn objects_are_of_a_version_that_is_served_and_of_the_scope_that_is_defined() {
    let kinds = definitions();
    let inventory = scanned(planted::objects());
    for (_, object) in inventory.objects() {
        let Some(kind) = kinds.iter().find(|kind| object.is(&kind.group, &kind.kind)) else { continue };
        let is_served = kind.served.iter().any(|version| &**version == object.version());
        assert!(is_served, "{} is not served", object.api_version);
        assert_eq!(object.namespace.is_some(), kind.namespaced, "{}", name_of(object));
    }
}

#[test]
fn kinds_that_exist_nowhere_are_found_by_their_definitions_alone() {
    let found_by = |inventory: &Inventory| {
        let pods = inventory.pods().filter(|pod| pod.object().group() == "fleet.invented.example");
        pods.map(|pod| (pod.object().field(pod.body()), pod.found_by())).collect::<Vec<_>>()
    };
    let with = scanned(planted::definitions().into_iter().chain(planted::objects()));
    assert_eq!(
        found_by(&with),
        [
            ("spec.stages.warm-up.crew.spec".to_owned(), FoundBy::CrdSchema),
            ("spec.judge".to_owned(), FoundBy::ContainerLike),
            ("spec.shards[0].engine".to_owned(), FoundBy::ContainerLike),
        ]
    );
    assert_eq!(found_by(&scanned(planted::objects())), []);
}
