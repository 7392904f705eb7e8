//! Tests: every object of a domain that uses every field, per tier and mode. What changes here changes in clusters.

use ringfence_domain::spec::Mode;
use ringfence_domain::yaml;
use serde_json::Value;
use serde_json::json;

use crate::domain;
use crate::facts;
use crate::objects;

/// A spec with every field that all tiers allow.
fn spec(tier: &str) -> Value {
    json!({
        "tier": tier,
        "namespaces": {"names": ["a"]},
        "nodes": {"selector": {"matchLabels": {"pool": "gpu"}}},
        "network": {
            "registry": {"namespace": "model-registry"},
            "egress": [
                {"name": "store", "purpose": "Data", "to": {"service": {"namespace": "store", "name": "minio"}},
                 "ports": [{"port": 9000}]},
                {"name": "proxy", "purpose": "LLM", "to": {"namespace": "llm-proxy"}, "ports": [{"port": 4000}]},
            ],
            "ingress": [{"name": "web", "fromNamespace": "web", "ports": [{"port": 8000}]}],
        },
        "secrets": {
            "store": {"kind": "ClusterSecretStore", "name": "vault"},
            "items": [{"name": "hub", "remoteKey": "ml/hub", "property": "token"}],
        },
        "access": {
            "roles": [{
                "preset": "ml-engineer",
                "subjects": [{"kind": "Group", "name": "ml-team"}],
                "extras": ["Exec"],
            }],
            "mountable": {"serviceAccounts": ["trainer"], "claims": ["data"]},
        },
        "quota": {"gpu": 8, "cpu": "64", "memory": "256Gi", "pods": 50, "deviceClasses": {"gpu.nvidia.com": 4}},
        "limits": {
            "default": {"cpu": "4", "memory": "16Gi"},
            "max": {"memory": "128Gi", "storage": "1Ti"},
            "maxGPUsPerPod": 8,
        },
        "jobs": {"activeDeadlineSeconds": 86400},
    })
}

fn shown(tier: &str, mode: Mode) -> String {
    let domain = domain("ml", 1, &spec(tier));
    let desired = objects(&[domain], mode, &facts());
    assert_eq!(desired.outcomes["ml"].invalid, []);
    assert_eq!(desired.outcomes["ml"].unknown, []);
    let documents = desired.objects.iter().map(|it| format!("---\n{}", yaml(&it.body.tree())));
    documents.collect::<Vec<_>>().concat()
}

#[test]
fn observe_writes_labels_and_nothing_else() {
    insta::assert_snapshot!(shown("Baseline", Mode::Observe));
}

#[test]
fn warn_adds_what_warns() {
    insta::assert_snapshot!(shown("Baseline", Mode::Warn));
}

#[test]
fn enforce_in_tier_baseline() {
    insta::assert_snapshot!(shown("Baseline", Mode::Enforce));
}

#[test]
fn enforce_in_tier_sealed() {
    insta::assert_snapshot!(shown("Sealed", Mode::Enforce));
}
