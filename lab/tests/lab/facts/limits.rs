//! What a namespace gives to containers that set no limit, and which keys of a quota count GPUs.

use ringfence_lab::Namespace;
use ringfence_lab::need;
use ringfence_lab::until;
use serde_json::Value;

use crate::facts::DECISION;
use crate::facts::pod;

/// A pod with one container, as the API server stores it.
fn stored(namespace: &Namespace<'_>, name: &str, resources: &str) -> Value {
    let yaml = format!(
        "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: c, image: c, resources: {{{resources}}}}}]}}}}"
    );
    namespace.apply(&yaml).ok();
    pod(namespace, name).unwrap()["spec"]["containers"][0]["resources"]["limits"].clone()
}

#[test]
#[ignore = "needs lab tier 1b: admission gives defaults"]
fn the_max_of_a_limit_range_is_the_limit_of_who_sets_none() {
    let cluster = need!(ControlPlane);
    let namespace = cluster.namespace("limits");
    assert_eq!(stored(&namespace, "before", ""), Value::Null);
    let range = |of: &str| {
        let yaml = format!(
            "---\n{{apiVersion: v1, kind: LimitRange, metadata: {{name: r}}, spec: {{limits: [{{type: {of}, max: {{cpu: 2, memory: 1Gi}}}}]}}}}"
        );
        namespace.apply(&yaml).ok();
    };
    range("Container");
    // Admission reads limit ranges through a watch.
    let limits = until("defaults of the limit range", DECISION, || {
        let limits = stored(&namespace, "by-max", "");
        if limits == Value::Null {
            namespace.kubectl(&["delete", "pod", "by-max", "--now"]).ok();
        }
        (limits != Value::Null).then_some(limits)
    });
    assert_eq!((limits["cpu"].as_str(), limits["memory"].as_str()), (Some("2"), Some("1Gi")));
}

/// Waits until the controller has counted a quota: before that it refuses nothing.
fn quota(namespace: &Namespace<'_>, name: &str, hard: &str) {
    let yaml = format!(
        "---\n{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: {name}}}, spec: {{hard: {{{hard}}}}}}}"
    );
    namespace.apply(&yaml).ok();
    until("quota counted", DECISION, || {
        let counted = namespace.kubectl(&["get", "quota", name, "-o", "jsonpath={.status.hard}"]).ok();
        (!counted.is_empty()).then_some(())
    });
}

#[test]
#[ignore = "needs lab tier 1b: a controller counts quotas"]
fn only_the_key_of_requests_counts_gpus() {
    let cluster = need!(ControlPlane);
    let namespace = cluster.namespace("quota");
    let gpu = "limits: {nvidia.com/gpu: 1}";
    quota(&namespace, "idle", "nvidia.com/gpu: 0, limits.nvidia.com/gpu: 0");
    assert_eq!(stored(&namespace, "past-both", gpu)["nvidia.com/gpu"], "1");
    quota(&namespace, "counts", "requests.nvidia.com/gpu: 0");
    let yaml = format!(
        "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, image: c, resources: {{{gpu}}}}}]}}}}"
    );
    let said = namespace.apply(&yaml).refused();
    assert!(said.contains("exceeded quota: counts"), "{said}");
}
