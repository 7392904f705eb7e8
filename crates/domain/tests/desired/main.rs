//! Tests: what a domain means, without a cluster: the whole of it per tier, and what holds for every domain.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a wrong assumption must end the test")]

mod golden;
mod holds;
mod properties;

use std::collections::BTreeMap;

use ringfence_domain::Asked;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Desired;
use ringfence_domain::Dns;
use ringfence_domain::Endpoint;
use ringfence_domain::NamespaceFact;
use ringfence_domain::NodeFact;
use ringfence_domain::SecurityDomain;
use ringfence_domain::ServiceFact;
use ringfence_domain::desired;
use ringfence_domain::spec::Mode;
use serde_json::Value;
use serde_json::json;

/// A domain of this spec, older the smaller its number.
pub(crate) fn domain(name: &str, age: u32, spec: &Value) -> SecurityDomain {
    serde_json::from_value(json!({
        "apiVersion": "ringfence.dev/v1alpha1",
        "kind": "SecurityDomain",
        "metadata": {
            "name": name,
            "uid": format!("uid-{name}"),
            "creationTimestamp": format!("2026-01-01T00:00:{age:02}Z"),
        },
        "spec": spec,
    }))
    .unwrap()
}

/// Two namespaces of a team, one of somebody else; two GPU nodes and one without.
pub(crate) fn facts() -> ClusterFacts {
    let namespace = |name: &str, team: &str| NamespaceFact {
        name: name.into(),
        uid: format!("ns-{name}"),
        labels: labels(&[("team", team)]),
        level: None,
        terminating: false,
    };
    let node = |name: &str, gpus: u64| NodeFact {
        name: name.into(),
        labels: labels(&[("pool", if gpus > 0 { "gpu" } else { "cpu" })]),
        accelerators: (gpus > 0).then(|| ("nvidia.com/gpu".to_owned(), gpus)).into_iter().collect(),
    };
    ClusterFacts {
        served: Some(
            [
                "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
                "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
                "external-secrets.io/v1/ExternalSecret",
            ]
            .map(str::to_owned)
            .into(),
        ),
        namespaces: Some(vec![namespace("a", "ml"), namespace("b", "ml"), namespace("web", "shop")]),
        nodes: Some(vec![node("gpu-1", 8), node("gpu-2", 8), node("cpu-1", 0)]),
        dns: Some(Dns {
            namespace: "kube-system".into(),
            labels: labels(&[("k8s-app", "kube-dns")]),
            ports: [53].into(),
            node_local: vec!["169.254.20.10".parse().unwrap()],
        }),
        api_server: vec![Endpoint { address: "10.0.0.1".parse().unwrap(), port: 6443 }],
        services: [(
            ("store".to_owned(), "minio".to_owned()),
            ServiceFact { selector: labels(&[("app", "minio")]) },
        )]
        .into(),
        ..ClusterFacts::default()
    }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The objects of these domains in one mode, policies left out: they are the same for every domain.
pub(crate) fn objects(domains: &[SecurityDomain], mode: Mode, facts: &ClusterFacts) -> Desired {
    let asked: Vec<_> = domains.iter().map(|domain| Asked::new(domain, mode)).collect();
    let mut desired = desired(&asked, facts);
    desired.objects.retain(|object| object.domain().is_some());
    desired
}
