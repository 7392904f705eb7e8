//! Pod templates and the built-in kinds that carry one: serving, training, notebooks, vector stores, with
//! the faults and the hardening that such repositories mix.

use serde_json::Value;
use serde_json::json;

use super::rng::Rng;

const IMAGES: [&str; 8] = [
    "registry.example/team/app:latest",
    "registry.example/team/app:1.27.3",
    "vllm/vllm-openai:v0.9.1",
    "nvcr.io/nvidia/pytorch:25.04-py3",
    "quay.io/jupyter/pytorch-notebook",
    "qdrant/qdrant:v1.14.0",
    "rayproject/ray:2.46.0-gpu",
    "redis:7.4",
];

/// The built-in kinds with a pod template and how many of each.
pub(super) const CORE: [(&str, &str, usize); 7] = [
    ("apps/v1", "Deployment", 70),
    ("apps/v1", "StatefulSet", 18),
    ("apps/v1", "DaemonSet", 12),
    ("batch/v1", "Job", 16),
    ("batch/v1", "CronJob", 12),
    ("v1", "Pod", 12),
    ("apps/v1", "ReplicaSet", 2),
];

pub(super) fn core(rng: &mut Rng, kind: &str, name: &str) -> Value {
    let template = template(rng, name);
    let selector = json!({"matchLabels": {"app": name}});
    let replicas = rng.between(1, 6);
    match kind {
        "Pod" => template["spec"].clone(),
        "CronJob" => json!({
            "schedule": "15 3 * * *", "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"backoffLimit": 2, "template": template}},
        }),
        "Job" => {
            json!({"backoffLimit": 3, "completions": replicas, "parallelism": replicas, "template": template})
        }
        "DaemonSet" => {
            json!({"selector": selector, "updateStrategy": {"type": "RollingUpdate"}, "template": template})
        }
        "StatefulSet" => json!({
            "serviceName": name, "replicas": replicas, "selector": selector, "template": template,
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Gi"}}},
            }],
        }),
        _ => json!({"replicas": replicas, "selector": selector, "template": template}),
    }
}

pub(super) fn template(rng: &mut Rng, name: &str) -> Value {
    let mut metadata = json!({"labels": {"app": name, "app.kubernetes.io/name": name, "team": rng.word()}});
    if rng.chance(30) {
        metadata["annotations"] = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "8080"});
    }
    json!({"metadata": metadata, "spec": spec(rng, name)})
}

pub(super) fn spec(rng: &mut Rng, name: &str) -> Value {
    let gpus = rng.chance(35);
    let mut containers = vec![container(rng, name, gpus)];
    if rng.chance(20) {
        containers.push(container(rng, "sidecar", false));
    }
    let mut spec = json!({
        "containers": containers,
        "volumes": volumes(rng, name),
        "terminationGracePeriodSeconds": rng.between(10, 120),
    });
    if rng.chance(60) {
        spec["serviceAccountName"] = name.into();
    }
    if rng.chance(40) {
        spec["automountServiceAccountToken"] = false.into();
    }
    if rng.chance(25) {
        spec["initContainers"] = json!([container(rng, "fetch-model", false)]);
    }
    if rng.chance(30) {
        spec["securityContext"] = json!({"runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}});
    }
    if rng.chance(4) {
        spec["hostNetwork"] = true.into();
    }
    if gpus {
        spec["tolerations"] =
            json!([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]);
        spec["nodeSelector"] = json!({"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"});
    }
    if rng.chance(20) {
        spec["affinity"] = json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
            "weight": 100,
            "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": name}}},
        }]}});
    }
    spec
}

pub(super) fn container(rng: &mut Rng, name: &str, gpus: bool) -> Value {
    let mut container = json!({
        "name": name,
        "image": rng.pick(&IMAGES),
        "args": ["--port", "8080", format!("--model=/models/{}", rng.word())],
        "env": environment(rng, name),
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": resources(rng, gpus),
        "volumeMounts": [
            {"name": "models", "mountPath": "/models", "readOnly": rng.chance(60)},
            {"name": "config", "mountPath": "/etc/app"},
        ],
    });
    if rng.chance(50) {
        let probe =
            json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": rng.between(5, 30)});
        container["livenessProbe"] = probe.clone();
        container["readinessProbe"] = probe;
    }
    if rng.chance(45) {
        container["securityContext"] = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": rng.chance(60),
            "capabilities": {"drop": ["ALL"]},
        });
    } else if rng.chance(6) {
        container["securityContext"] = json!({"privileged": true});
    }
    if rng.chance(15) {
        container["command"] = json!([
            "/bin/sh",
            "-c",
            "set -e\npip install -r /etc/app/requirements.txt\nexec python -m app\n"
        ]);
    }
    container
}

fn environment(rng: &mut Rng, name: &str) -> Vec<Value> {
    let mut variables = vec![json!({"name": "LOG_LEVEL", "value": "info"})];
    for _ in 0..rng.between(1, 8) {
        let variable = rng.field().to_ascii_uppercase();
        variables.push(match rng.below(3) {
            0 => json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": rng.word()}}}),
            1 => {
                json!({"name": variable, "valueFrom": {"configMapKeyRef": {"name": name, "key": rng.word()}}})
            }
            _ => json!({"name": variable, "value": rng.name()}),
        });
    }
    variables
}

fn resources(rng: &mut Rng, gpus: bool) -> Value {
    let memory = format!("{}Gi", rng.between(1, 64));
    let mut limits = json!({"memory": memory});
    if gpus {
        limits["nvidia.com/gpu"] = rng.pick(&["1", "2", "4", "8"]).into();
    }
    json!({"requests": {"cpu": format!("{}m", 250 * rng.between(1, 16)), "memory": memory}, "limits": limits})
}

fn volumes(rng: &mut Rng, name: &str) -> Value {
    let models = match rng.below(10) {
        0 => json!({"name": "models", "hostPath": {"path": "/mnt/models", "type": "Directory"}}),
        1..=4 => json!({"name": "models", "emptyDir": {"sizeLimit": "50Gi"}}),
        _ => json!({"name": "models", "persistentVolumeClaim": {"claimName": format!("{name}-models")}}),
    };
    json!([models, {"name": "config", "configMap": {"name": name}}])
}
