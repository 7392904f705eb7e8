//! Pods of one domain and nodes of another: who does not refuse yet, or has no nodes, is no way onto them.

use std::time::Duration;

use ringfence_lab::ControlPlane;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::twins;
use crate::world::Calls;
use crate::world::ENFORCED;
use crate::world::FREE;
use crate::world::NODE;
use crate::world::OBSERVED;
use crate::world::OUTSIDE;
use crate::world::WARNED;
use crate::world::world;

const MINUTE: Duration = Duration::from_mins(1);
const LABEL: &str = "node-restriction.kubernetes.io/ringfence-domain";
/// Allowed on the nodes of every domain: what happens without the policy.
const ALLOWED: &str = "ringfence-system";

/// A GPU pod that tolerates the taint of every domain.
fn jumper(name: &str) -> Value {
    let mut pod = twins::pod(
        &json!({"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}),
        &twins::gpus("1"),
    );
    pod["metadata"]["name"] = json!(name);
    pod
}

/// Required terms, as the server would store them.
fn terms(lab: &ControlPlane, namespace: &str, spec: &Value) -> Value {
    let object = twins::pod(spec, &json!({}));
    let text = lab.create_in(namespace, &object, &["--dry-run=server", "--output=json"]).ok();
    let stored: Value = serde_json::from_str(&text).unwrap();
    let required =
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    stored.pointer(required).cloned().unwrap_or_default()
}

fn nobodys() -> Value {
    json!({"key": LABEL, "operator": "DoesNotExist"})
}

fn own(domain: &str) -> Value {
    json!({"key": LABEL, "operator": "In", "values": [domain]})
}

fn required(terms: &Value) -> Value {
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
}

#[test]
#[ignore = "needs lab tier 1b: schedules onto a fake node"]
fn a_domain_that_watches_warns_or_has_no_nodes_is_no_way_onto_the_nodes_of_another() {
    let Some(lab) = world() else { return };
    until("account default", MINUTE, || {
        lab.kubectl(&["get", "sa", "default", "-n", ALLOWED]).is_ok().then_some(())
    });
    // Without: it runs there, by its toleration and by the name of the node.
    lab.create_in(ALLOWED, &jumper("jumper"), &[]).ok();
    let node = until("it is scheduled", MINUTE, || {
        let node =
            lab.kubectl(&["get", "pod", "jumper", "-n", ALLOWED, "-o", "jsonpath={.spec.nodeName}"]).ok();
        (!node.is_empty()).then_some(node)
    });
    assert_eq!(node, NODE);
    lab.kubectl(&["delete", "pod", "jumper", "-n", ALLOWED, "--grace-period=0", "--force"]).ok();

    for namespace in [OBSERVED, WARNED, FREE] {
        lab.create_in(namespace, &jumper("jumper"), &[]).ok();
        let why = until("the scheduler has looked", MINUTE, || {
            let path = "jsonpath={.status.conditions[?(@.type==\"PodScheduled\")].message}";
            let why = lab.kubectl(&["get", "pod", "jumper", "-n", namespace, "-o", path]).ok();
            (!why.is_empty()).then_some(why)
        });
        assert!(why.contains("didn't match Pod's node affinity/selector"), "{namespace}: {why}");
        lab.kubectl(&["delete", "pod", "jumper", "-n", namespace, "--grace-period=0", "--force"]).ok();
        // Nor by selecting them: both must hold.
        let chosen = required(&json!([{"matchExpressions": [own("enforced")]}]));
        let object = twins::pod(&chosen, &json!({}));
        let done = lab.create_in(namespace, &object, &["--dry-run=server", "--output=json"]);
        if namespace == FREE {
            assert!(done.refused().contains("RF-GPU-004 spec.affinity"));
        } else {
            let stored: Value = serde_json::from_str(&done.ok()).unwrap();
            let text = stored["spec"]["affinity"].to_string();
            assert!(text.contains("DoesNotExist"), "{namespace}: {text}");
        }
    }
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn each_term_is_kept_to_nodes_of_no_domain_or_of_its_own() {
    let Some(lab) = world() else { return };
    let fresh = json!([{"matchExpressions": [nobodys()]}, {"matchExpressions": [own("observed")]}]);
    let spread = json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}});
    let preferred =
        json!([{"weight": 1, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}]);
    let preferred = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}});
    // A pod that names its node as well: the kubelet reads the affinity.
    for spec in [
        json!({}),
        json!({"affinity": {}}),
        json!({"affinity": spread}),
        json!({"affinity": preferred}),
        json!({"nodeName": NODE}),
        json!({"nodeSelector": {"disk": "fast"}}),
        json!({"nodeSelector": {LABEL: "enforced"}}),
    ] {
        assert_eq!(terms(lab, OBSERVED, &spec), fresh, "{spec}");
    }
    let fast = json!({"key": "disk", "operator": "In", "values": ["fast"]});
    let named = json!([{"key": "metadata.name", "operator": "In", "values": [NODE]}]);
    let three = json!([{"matchExpressions": [fast]}, {"matchFields": named}, {}]);
    let wanted = json!([
        {"matchExpressions": [fast, nobodys()]},
        {"matchExpressions": [nobodys()], "matchFields": named},
        {},
        {"matchExpressions": [fast, own("observed")]},
        {"matchExpressions": [own("observed")], "matchFields": named},
        {},
    ]);
    assert_eq!(terms(lab, OBSERVED, &required(&three)), wanted);
    // Who says it already is left alone.
    for said in [
        json!([{"matchExpressions": [fast, nobodys()]}]),
        json!([{"matchExpressions": [own("observed")]}, {"matchExpressions": [nobodys()]}]),
    ] {
        assert_eq!(terms(lab, OBSERVED, &required(&said)), said);
    }
    let own_selector = json!({"nodeSelector": {LABEL: "observed"}});
    assert_eq!(terms(lab, OBSERVED, &own_selector), Value::Null);
    // Where a domain refuses and places its pods itself, and outside, nothing is filled in; the words are no offence there.
    for namespace in [ENFORCED, OUTSIDE] {
        assert_eq!(terms(lab, namespace, &json!({})), Value::Null, "{namespace}");
        let said = json!([{"matchExpressions": [nobodys()]}]);
        assert_eq!(terms(lab, namespace, &required(&said)), said, "{namespace}");
    }
}
