//! Objects without pods: network, access, configuration, storage, policy, and the operators' own kinds.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::rng::Rng;

pub(super) const PLAIN: [(&str, &str, usize); 36] = [
    ("v1", "Service", 170),
    ("v1", "ConfigMap", 160),
    ("v1", "Secret", 60),
    ("v1", "ServiceAccount", 110),
    ("rbac.authorization.k8s.io/v1", "Role", 60),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", 80),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", 60),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", 50),
    ("networking.k8s.io/v1", "NetworkPolicy", 60),
    ("v1", "PersistentVolumeClaim", 50),
    ("v1", "PersistentVolume", 10),
    ("storage.k8s.io/v1", "StorageClass", 8),
    ("v1", "Namespace", 30),
    ("v1", "ResourceQuota", 12),
    ("v1", "LimitRange", 10),
    ("policy/v1", "PodDisruptionBudget", 20),
    ("autoscaling/v2", "HorizontalPodAutoscaler", 20),
    ("networking.k8s.io/v1", "Ingress", 20),
    ("scheduling.k8s.io/v1", "PriorityClass", 6),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", 6),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", 5),
    ("node.k8s.io/v1", "RuntimeClass", 2),
    ("v1", "Node", 8),
    ("monitoring.coreos.com/v1", "ServiceMonitor", 20),
    ("monitoring.coreos.com/v1", "PrometheusRule", 14),
    ("gateway.networking.k8s.io/v1", "Gateway", 6),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", 12),
    ("cert-manager.io/v1", "Certificate", 8),
    ("cert-manager.io/v1", "Issuer", 4),
    ("networking.istio.io/v1", "VirtualService", 6),
    ("argoproj.io/v1alpha1", "Application", 10),
    ("external-secrets.io/v1", "ExternalSecret", 5),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", 3),
    ("kueue.x-k8s.io/v1beta1", "ClusterQueue", 3),
    ("kueue.x-k8s.io/v1beta1", "LocalQueue", 4),
    ("kueue.x-k8s.io/v1beta1", "ResourceFlavor", 2),
];

const CLUSTER_SCOPED: [&str; 13] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "PersistentVolume",
    "StorageClass",
    "Namespace",
    "PriorityClass",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "RuntimeClass",
    "Node",
    "ValidatingAdmissionPolicy",
    "ClusterQueue",
    "ResourceFlavor",
];

pub(super) fn is_namespaced(kind: &str) -> bool {
    !CLUSTER_SCOPED.contains(&kind)
}

/// What stands beside `apiVersion`, `kind` and `metadata`.
pub(super) fn body(rng: &mut Rng, kind: &str, name: &str) -> Value {
    let labels = json!({"matchLabels": {"app": name}});
    match kind {
        "Service" => json!({"spec": {
            "type": rng.pick(&["ClusterIP", "ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"]),
            "selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        }}),
        "ConfigMap" => json!({"data": configuration(rng)}),
        "Secret" => json!({"type": "Opaque", "stringData": {"username": name, "password": "change-me"}}),
        "ServiceAccount" => json!({"automountServiceAccountToken": rng.chance(50)}),
        "Role" | "ClusterRole" => json!({"rules": rules(rng)}),
        "RoleBinding" | "ClusterRoleBinding" => json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind.trim_end_matches("Binding"), "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "ml-serving"}],
        }),
        "NetworkPolicy" => json!({"spec": {
            "podSelector": labels, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 8080}]}],
            "egress": [{"to": [{"ipBlock": {"cidr": rng.pick(&["10.0.0.0/8", "0.0.0.0/0", "10.20.0.0/16"])}}]}],
        }}),
        "PersistentVolumeClaim" => json!({"spec": {
            "accessModes": ["ReadWriteMany"], "storageClassName": "fast",
            "resources": {"requests": {"storage": format!("{}Gi", rng.between(10, 900))}},
        }}),
        "StorageClass" => {
            json!({"provisioner": "csi.example.dev", "reclaimPolicy": "Delete", "parameters": {"type": "ssd"}})
        }
        "Namespace" => json!({}),
        "PriorityClass" => json!({"value": rng.between(1, 100_000), "globalDefault": false}),
        "RuntimeClass" => json!({"handler": "nvidia"}),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => json!({"webhooks": [{
            "name": format!("{name}.example.dev"), "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": name, "namespace": "platform", "path": "/admit"}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        }]}),
        "Node" => json!({
            "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]},
            "status": {"capacity": {"cpu": "96", "memory": "1024Gi", "nvidia.com/gpu": "8"}},
        }),
        "ResourceQuota" => json!({"spec": {"hard": {"requests.nvidia.com/gpu": "16", "pods": "200"}}}),
        "PrometheusRule" => json!({"spec": {"groups": [{"name": name, "rules": alerts(rng)}]}}),
        _ => json!({"spec": anything(rng, 3)}),
    }
}

/// A dashboard as its tool exports it, about fifty kilobytes in one string.
pub(super) fn dashboard(rng: &mut Rng) -> String {
    let panels: Vec<Value> = (0..rng.between(200, 500))
        .map(|id| {
            let targets = json!([{"expr": format!("rate({}[5m])", rng.field())}]);
            json!({"id": id, "title": rng.sentence(), "targets": targets})
        })
        .collect();
    format!("{:#}\n", json!({"title": rng.name(), "panels": panels}))
}

fn configuration(rng: &mut Rng) -> Value {
    let mut data = Map::new();
    for _ in 0..rng.between(1, 6) {
        data.insert(rng.field(), rng.name().into());
    }
    if rng.chance(40) {
        let lines: Vec<String> =
            (0..rng.between(5, 60)).map(|_| format!("{}={}", rng.field(), rng.word())).collect();
        data.insert("app.properties".into(), (lines.join("\n") + "\n").into());
    }
    data.into()
}

fn rules(rng: &mut Rng) -> Vec<Value> {
    (0..rng.between(1, 8))
        .map(|_| {
            let resources = rng.pick(&["pods", "secrets", "configmaps", "deployments", "jobs", "rayclusters", "*"]);
            let verbs = rng.pick(&[["get", "list"], ["create", "delete"], ["watch", "patch"], ["get", "*"]]);
            json!({"apiGroups": [rng.pick(&["", "apps", "batch", "ray.io"])], "resources": [resources], "verbs": verbs})
        })
        .collect()
}

fn alerts(rng: &mut Rng) -> Vec<Value> {
    (0..rng.between(4, 20))
        .map(|number| {
            json!({
                "alert": format!("Alert{number}"), "for": "10m", "labels": {"severity": "warning"},
                "expr": format!("sum(rate({}[5m])) by (pod) > {number}", rng.field()),
                "annotations": {"summary": rng.sentence(), "description": rng.sentence()},
            })
        })
        .collect()
}

/// A specification in the manner of operators: nested maps, lists and scalars under field names.
fn anything(rng: &mut Rng, depth: usize) -> Value {
    let mut map = Map::new();
    for _ in 0..rng.between(2, 5) {
        let value = match rng.below(if depth == 0 { 3 } else { 5 }) {
            0 => rng.between(1, 9000).into(),
            1 => rng.chance(50).into(),
            2 => rng.name().into(),
            3 => json!([anything(rng, depth - 1)]),
            _ => anything(rng, depth - 1),
        };
        map.insert(rng.field(), value);
    }
    map.into()
}
