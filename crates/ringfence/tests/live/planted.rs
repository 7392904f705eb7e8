//! Every kind that carries pods, with flaws planted by hand, in a cluster: each is found, and the API server's own audit
//! log says that nothing but get and list was sent.

use std::collections::BTreeSet;
use std::time::Duration;

use ringfence_fixture::planted;
use ringfence_lab::AuditEvent;

use crate::lab;

#[test]
#[ignore = "needs lab tier 1b: applies every kind and scans the cluster"]
fn planted_flaws_are_found_in_a_cluster_by_get_and_list_alone() {
    let Some(lab) = lab() else { return };
    for file in planted::definitions() {
        lab.apply(&file.text).ok();
    }
    lab.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).ok();
    for file in planted::objects() {
        lab.apply(&file.text).ok();
    }
    let mut audit = lab.audit();
    let ran = crate::run(lab, &["scan", "--format", "json"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let result = ran.json();
    assert_eq!(result["coverage"]["complete"], true, "{:#}", result["coverage"]["blind"]);

    let flaws = planted::flaws();
    let controls: BTreeSet<&str> = flaws.iter().map(|(control, _)| control.as_str()).collect();
    let is_ours = |object: &str| object.contains("planted");
    let found: BTreeSet<(String, String)> = crate::fails(&result)
        .into_iter()
        .filter(|(control, object)| controls.contains(control.as_str()) && is_ours(object))
        .collect();
    let missed: Vec<_> = flaws.difference(&found).collect();
    let extra: Vec<_> = found.difference(&flaws).collect();
    assert!(missed.is_empty() && extra.is_empty(), "missed: {missed:#?}\nnot planted: {extra:#?}");

    // The last list is in the log before its answer ends; its event may be a moment late in the file.
    audit.wait("a list of ours", Duration::from_secs(10), |event| event.verb() == "list");
    let ours = audit.of_agent("ringfence");
    let verbs: BTreeSet<&str> = ours.iter().map(AuditEvent::verb).collect();
    assert_eq!(verbs, BTreeSet::from(["get", "list"]));
    assert!(ours.iter().all(|event| event.resource() != "secrets"), "a Secret was asked for");
    // Pages of every kind that was planted were among them.
    for plural in
        ["rayclusters", "pytorchjobs", "inferenceservices", "jobsets", "workflows", "externalsecrets"]
    {
        assert!(ours.iter().any(|event| event.resource() == plural), "no list of {plural}");
    }
}
