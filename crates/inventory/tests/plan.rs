//! What a scan of a cluster asks for is what its readers look up: a kind that a control reads and nobody lists would be
//! absent in every cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends here")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use ringfence_inventory::plan;

/// Kinds that readers name and a scan of a cluster does not list, each with its reason.
const NOT_LISTED: &[(&str, &str)] = &[
    ("", "Event"),              // named to be passed over
    ("", "Secret"),             // never asked for by default
    ("apps.nvidia.com", "NIM"), // beginnings of kinds that are AI; their definitions tell where pods are
    ("apps.nvidia.com", "Nemo"),
    ("argoproj.io", "ClusterWorkflow"),
    ("nvidia.com", "Dynamo"),
    ("extensions", "Ingress"),  // gone since Kubernetes 1.22; manifests still have it
    ("kubeflow.org", "Viewer"), // no fields of its own: its definition tells
    ("kueue.x-k8s.io", "Workload"), // derived from what it queues; named to be passed over
    ("metrics.k8s.io", "PodMetrics"), // named to be passed over
];

/// Modules that are compiled for tests alone.
const TEST_MODULES: [&str; 2] = ["tests.rs", "table/real.rs"];

/// Pairs of group and kind that stand in the source, as `("apps", "Deployment")`; a list of kinds behind one group too.
fn named(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            named(&path, found);
        } else if path.extension().is_some_and(|one| one == "rs")
            && !TEST_MODULES.iter().any(|one| path.ends_with(one))
        {
            let text = fs::read_to_string(&path).unwrap();
            pairs(text.split("#[cfg(test)]").next().unwrap(), found);
        }
    }
}

fn pairs(text: &str, found: &mut BTreeSet<(String, String)>) {
    let words: Vec<&str> = text.split('"').collect();
    // Between two strings stands a comma and blanks: they are items of one tuple.
    for window in words.windows(3).skip(1).step_by(2) {
        let [group, between, kind] = window else { continue };
        let is_group = group.is_empty()
            || (group.contains('.') && group.bytes().all(is_of_group))
            || CORE.contains(group);
        let is_kind = kind.starts_with(|first: char| first.is_ascii_uppercase())
            && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if between.trim() == "," && is_group && is_kind && kind.len() > 2 {
            found.insert(((*group).to_owned(), (*kind).to_owned()));
        }
    }
}

const CORE: [&str; 3] = ["apps", "batch", "extensions"];

fn is_of_group(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
}

#[test]
fn every_kind_that_a_reader_looks_up_is_listed() {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    for room in ["controls/src", "inventory/src/pod"] {
        named(&crates.join(room), &mut found);
    }
    for file in ["joins.rs", "facts.rs", "assemble/finish.rs"] {
        pairs(&fs::read_to_string(crates.join("inventory/src").join(file)).unwrap(), &mut found);
    }
    assert!(found.len() > 50, "{found:?}");
    let planned: BTreeSet<(String, String)> =
        plan().into_iter().map(|want| (want.group, want.kind)).collect();
    let excused = |pair: &(String, String)| NOT_LISTED.contains(&(pair.0.as_str(), pair.1.as_str()));
    let missing: Vec<_> = found.iter().filter(|pair| !planned.contains(*pair) && !excused(pair)).collect();
    assert!(missing.is_empty(), "read by somebody, listed by nobody: {missing:?}");
}

#[test]
fn no_kind_is_asked_for_twice_and_secrets_never() {
    let wants = plan();
    let kinds: BTreeSet<_> = wants.iter().map(|want| (&want.group, &want.kind)).collect();
    assert_eq!(kinds.len(), wants.len());
    assert!(!wants.iter().any(|want| want.plural == "secrets" || want.plural == "*"));
}
