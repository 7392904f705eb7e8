//! The reduced definitions of `lab/crds` against the real ones: same names, scope and versions, and no field that the
//! real one does not have.

use std::collections::BTreeSet;
use std::fs;

use super::real::End;
use super::real::defined;
use super::real::follow;
use super::real::lab;
use super::real::real;
use crate::pod::KindSchema;
use crate::split::split;
use crate::yaml::Tree;
use crate::yaml::Value;
use crate::yaml::read_yaml;

/// Fields that the reduced definitions have from a release that no module proxy serves.
const NEWER: &[(&str, &str)] = &[
    ("RayCluster", "spec.authOptions"),
    ("RayJob", "spec.rayClusterSpec.authOptions"),
    ("RayService", "spec.rayClusterConfig.authOptions"),
    ("TrainJob", "spec.podTemplateOverrides"),
    ("TrainJob", "spec.runtimePatches"),
    ("LLMInferenceService", "spec.router.scheduler.tokenizer"),
    ("LLMInferenceServiceConfig", "spec.router.scheduler.tokenizer"),
];

/// Fields of a schema and everything below, as patterns.
fn fields(node: Value<'_>, at: &str, all: &mut Vec<String>) {
    for (key, below) in node.get("properties").into_iter().flat_map(Value::entries) {
        let path = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
        fields(below, &path, all);
        all.push(path);
    }
    for (key, every) in [("items", "[*]"), ("additionalProperties", "{*}")] {
        if let Some(below) = node.get(key).filter(|below| below.is_mapping()) {
            fields(below, &format!("{at}{every}"), all);
        }
    }
}

/// What is wrong with a reduced definition beside the real one.
fn compare(reduced: &Tree, real: &Tree) -> Vec<String> {
    let (reduced_spec, real_spec) = (reduced.root().get("spec").unwrap(), real.root().get("spec").unwrap());
    let mut wrong = Vec::new();
    for field in
        [&["scope"][..], &["group"], &["names", "kind"], &["names", "plural"], &["names", "listKind"]]
    {
        let text = |spec: Value<'_>| spec.at(field).and_then(Value::text).map(str::to_owned);
        if text(reduced_spec) != text(real_spec) {
            wrong.push(format!("{}: {:?}", field.join("."), text(reduced_spec)));
        }
    }
    let version_of = |tree: &Tree, flag: &str| {
        let versions = tree.root().at(&["spec", "versions"]).into_iter().flat_map(Value::items);
        let set = versions.filter(|version| version.get(flag).and_then(Value::as_bool) == Some(true));
        set.map(|version| version.str_at("name").unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    if version_of(reduced, "storage") != version_of(real, "storage") {
        wrong.push("another version is stored".to_owned());
    }
    // External Secrets still served `v1beta1` in the release that is served here.
    let is_external_secret = reduced_spec.str_at("group") == Some("external-secrets.io");
    let (served, really) = (version_of(reduced, "served"), version_of(real, "served"));
    if served != really && !(is_external_secret && served.is_subset(&really)) {
        wrong.push(format!("served: {served:?}, really {really:?}"));
    }
    for one in defined(reduced) {
        let Some(other) = defined(real).into_iter().find(|other| other.version == one.version) else {
            continue;
        };
        let mut all = Vec::new();
        fields(one.schema, "", &mut all);
        let is_newer = |path: &str| {
            let mut newer = NEWER.iter().filter(|(kind, _)| *kind == one.kind);
            newer.any(|(_, field)| {
                path.strip_prefix(field).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
            })
        };
        all.retain(|path| !is_newer(path) && matches!(follow(other.schema, path), End::Nowhere));
        wrong.extend(
            all.into_iter()
                .filter(|path| path != "status")
                .map(|path| format!("no {path} in {}", one.version)),
        );
    }
    wrong
}

#[test]
#[ignore = "needs go: fetches the modules of lab/crds.toml"]
fn reduced_definitions_say_what_the_real_ones_say() {
    let all = real();
    let (mut compared, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(lab().join("crds")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for piece in split(&text) {
            let reduced = read_yaml(&text[piece.range]).unwrap().unwrap();
            let kind = KindSchema::from_crd(reduced.root()).unwrap();
            // The first that names the kind: MPIJob stands in two modules, with a version each.
            let mut trees = all.iter().flat_map(|real| &real.trees);
            let real = trees.find(|tree| {
                KindSchema::from_crd(tree.root())
                    .is_some_and(|real| real.group == kind.group && real.kind == kind.kind)
            });
            if let Some(real) = real {
                compared += 1;
                wrong.extend(
                    compare(&reduced, real)
                        .into_iter()
                        .map(|one| format!("{} {}: {one}", kind.group, kind.kind)),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared >= 25, "{compared} reduced definitions have a real one");
}
