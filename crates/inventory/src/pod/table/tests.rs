//! The table against its fixtures, and its page.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;
use crate::Inventory;

/// What `lab/crds.confirmed` says of a path that a definition leaves open.
pub(super) const ANY_FIELD: &str = "any field:";

/// What each path was compared with, as `lab/crds.confirmed` has it: group, kind, path to sources.
fn confirmed() -> BTreeMap<(String, String, String), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/crds.confirmed");
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| match line.split('\t').collect::<Vec<_>>().as_slice() {
            [group, kind, path, source] => {
                (((*group).to_owned(), (*kind).to_owned(), (*path).to_owned()), (*source).to_owned())
            }
            _ => panic!("lab/crds.confirmed: {line}"),
        })
        .collect()
}

/// The page of kinds; `UPDATE=1` writes it.
#[test]
fn generated_pod_paths() {
    let mut page = "# Kinds in which pods are found\n\n\
        Generated from `crates/inventory/src/pod/table.rs` and `lab/crds.confirmed` (`UPDATE=1 cargo test -p \
        ringfence-inventory generated_pod_paths`). A kind that is not here is searched by the schema of its custom \
        resource definition, if that is among the files or in the cluster; what neither names is searched by shape: a \
        mapping with a list of named `containers` (or `initContainers`), one of them with an `image`, outside of \
        `status`.\n\n\
        `[*]` is every item of a list, `{*}` every value of a mapping. *template*: metadata and spec of a pod; \
        *spec*: a PodSpec; *inline spec*: pod fields beside the kind's own; *patch*: laid over a template of \
        another object; *part*: image and settings from which an operator builds the container (what the kind \
        cannot say is unknown, never passed); *more of it*: another container of the part before.\n\n\
        The last column names the Go module whose definition a test reads and the versions of the API in which the \
        path leads where this page says (`lab/crds.toml` pins them); *not confirmed* follows the project's types or \
        documentation, because no module proxy serves a release that has it, or because the definition takes any field \
        there.\n\n\
        | API group | kind | path | shape | confirmed against |\n|---|---|---|---|---|\n"
        .to_owned();
    let confirmed = confirmed();
    for row in CORE.iter().chain(CUSTOM) {
        for (shape, path) in row.paths {
            let shape = match shape {
                Template => "template",
                Spec => "spec",
                InlineSpec => "inline spec",
                Patch | SpecPatch => "patch",
                Part => "part",
                MorePart => "more of it",
                ArgoTemplate => "Argo template",
            };
            // Kinds with the same answer share a line.
            let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
            for kind in row.kinds {
                let known = confirmed.get(&(row.group.to_owned(), (*kind).to_owned(), (*path).to_owned()));
                let answer = match known.map(String::as_str) {
                    Some(source) if !source.starts_with(ANY_FIELD) => source.replace(ANY_FIELD, "not by"),
                    _ => "not confirmed".to_owned(),
                };
                match answers.iter_mut().find(|(same, _)| *same == answer) {
                    Some((_, kinds)) => kinds.push(kind),
                    None => answers.push((answer, vec![kind])),
                }
            }
            let group = if row.group.is_empty() { "core" } else { row.group };
            for (answer, kinds) in answers {
                writeln!(page, "| {group} | {} | `{path}` | {shape} | {answer} |", kinds.join(", ")).unwrap();
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pod-paths.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/pod-paths.md is stale; run with UPDATE=1");
}

#[test]
fn what_is_confirmed_stands_in_the_table() {
    let mut paths = BTreeSet::new();
    for row in CORE.iter().chain(CUSTOM) {
        for kind in row.kinds {
            paths.extend(
                row.paths
                    .iter()
                    .map(|(_, path)| (row.group.to_owned(), (*kind).to_owned(), (*path).to_owned())),
            );
        }
    }
    let gone: Vec<_> = confirmed().into_keys().filter(|path| !paths.contains(path)).collect();
    assert!(gone.is_empty(), "lab/crds.confirmed speaks of {gone:#?}");
}

#[test]
fn every_kind_of_the_table_has_a_fixture_and_no_row_twice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pods");
    let mut shown = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let inventory = Inventory::from_text(&text);
        shown.extend(
            inventory.objects().map(|(_, object)| (object.group().to_owned(), object.kind.to_string())),
        );
    }
    let mut listed = BTreeSet::new();
    for row in CORE.iter().chain(CUSTOM) {
        for kind in row.kinds {
            assert!(listed.insert((row.group.to_owned(), (*kind).to_owned())), "{kind} stands twice");
        }
    }
    assert_eq!(listed, shown);
}

#[test]
fn resources_have_the_names_of_their_crds() {
    for (kind, expected) in [
        ("RayCluster", "rayclusters"),
        ("InferenceService", "inferenceservices"),
        ("Sandbox", "sandboxes"),
        ("NetworkPolicy", "networkpolicies"),
        ("Gateway", "gateways"),
        ("XGBoostJob", "xgboostjobs"),
        ("Ingress", "ingresses"),
    ] {
        assert_eq!(plural(kind), expected);
    }
    assert!(pod_kinds().any(|kind| kind == ("kubeflow.org", "PyTorchJob")));
    assert!(!pod_kinds().any(|(_, kind)| kind == "ServingRuntime"));
}
