//! Room `domain`: the controller as a workload: two replicas, one of which writes, on nodes without GPUs.

use serde_json::Value;
use serde_json::json;

use crate::names;

/// Port of health and metrics, plain HTTP.
const PORT: u16 = 8080;

/// Image of the controller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Image(pub String);

/// Deployment and disruption budget.
pub(super) fn workload(namespace: &str, image: &Image) -> Vec<Value> {
    let labels = json!({"app.kubernetes.io/name": "ringfence", "app.kubernetes.io/component": "controller"});
    let meta = json!({"name": "ringfence-controller", "namespace": namespace, "labels": labels});
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http"}, "periodSeconds": 10});
    vec![
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": names::OPERATOR_ACCOUNT,
                        "securityContext": {
                            "runAsNonRoot": true,
                            "runAsUser": 65532,
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "topologySpreadConstraints": [{
                            "maxSkew": 1,
                            "topologyKey": "kubernetes.io/hostname",
                            "whenUnsatisfiable": "ScheduleAnyway",
                            "labelSelector": {"matchLabels": labels},
                        }],
                        "containers": [{
                            "name": "controller",
                            "image": image.0,
                            "args": ["serve", "controller", "--namespace", namespace, "--listen", format!("0.0.0.0:{PORT}")],
                            "ports": [{"name": "http", "containerPort": PORT}],
                            "livenessProbe": probe("/healthz"),
                            "readinessProbe": probe("/readyz"),
                            "resources": {
                                "requests": {"cpu": "50m", "memory": "64Mi"},
                                "limits": {"cpu": "1", "memory": "256Mi"},
                            },
                            "securityContext": {
                                "allowPrivilegeEscalation": false,
                                "readOnlyRootFilesystem": true,
                                "capabilities": {"drop": ["ALL"]},
                            },
                        }],
                    },
                },
            },
        }),
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": meta,
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        }),
    ]
}
