//! Pairs of pods that differ in one thing: the first breaks a rule, the second does not.

use serde_json::Value;
use serde_json::json;

use crate::world::OPEN_TAINT;

/// A pair: how the message begins, and what each has beside the plain pod, in its spec and in its container.
pub(crate) struct Twin {
    pub(crate) says: &'static str,
    pub(crate) bad: Value,
    pub(crate) good: Value,
}

/// A pod that breaks no rule, with fields merged into its spec and its container.
pub(crate) fn pod(spec: &Value, container: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "main",
                "image": "registry.example/web:1",
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
            }],
        },
    });
    merge(&mut object["spec"]["containers"][0], container);
    merge(&mut object["spec"], spec);
    object
}

/// A pod with a GPU and nothing written for it.
pub(crate) fn gpu_pod() -> Value {
    pod(&json!({}), &gpus("1"))
}

pub(crate) fn gpus(count: &str) -> Value {
    json!({"resources": {"limits": {"nvidia.com/gpu": count}}})
}

pub(crate) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

impl Twin {
    pub(crate) fn pods(&self) -> [Value; 2] {
        let part = |it: &Value, key: &str| it.get(key).cloned().unwrap_or_else(|| json!({}));
        [&self.bad, &self.good].map(|it| pod(&part(it, "spec"), &part(it, "container")))
    }
}

fn twin(says: &'static str, bad: Value, good: Value) -> Twin {
    Twin { says, bad, good }
}

/// Of the rules inside a domain that lists Secret `hf`, account `trainer`, claim `data`, device `/dev/infiniband` and 4 GPUs.
pub(crate) fn inside() -> Vec<Twin> {
    let mut twins = devices();
    twins.extend(host());
    twins.extend(listed());
    twins
}

fn devices() -> Vec<Twin> {
    let toleration = json!([{"key": "nvidia.com/gpu", "operator": "Exists"}]);
    let other = json!([{"key": "example.com/burst", "operator": "Exists"}]);
    let env = |name: &str, value: &str| json!({"container": {"env": [{"name": name, "value": value}]}});
    let path = |path: &str| {
        json!({"spec": {"volumes": [{"name": "v", "hostPath": {"path": path}}]},
            "container": {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}})
    };
    let mount = |at: &str| {
        json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]},
            "container": {"volumeMounts": [{"name": "v", "mountPath": at}]}})
    };
    let term = |value: &str| {
        json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": [{"key": NODE_LABEL, "operator": "In", "values": [value]}]}]}}}}})
    };
    vec![
        twin(
            "RF-GPU-002 spec.tolerations",
            json!({"spec": {"tolerations": toleration}}),
            json!({"spec": {"tolerations": other}}),
        ),
        twin(
            "RF-GPU-002 spec.tolerations",
            json!({"spec": {"tolerations": [{"operator": "Exists"}]}}),
            json!({"spec": {"tolerations": [{"operator": "Exists"}]}, "container": gpus("1")}),
        ),
        twin(
            "RF-GPU-002 spec.tolerations",
            json!({"spec": {"tolerations": toleration}, "container": gpus("0")}),
            json!({"spec": {"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}}),
        ),
        twin(
            "RF-GPU-002 spec.tolerations",
            json!({"spec": {"tolerations": toleration, "resourceClaims": claim()}}),
            json!({"spec": {"tolerations": toleration, "resourceClaims": claim()}, "container": claimed()}),
        ),
        // Inside a domain it is a GPU taint like any other; outside, its nodes are open.
        twin(
            "RF-GPU-002 spec.tolerations",
            json!({"spec": {"tolerations": [{"key": OPEN_TAINT, "operator": "Exists"}]}}),
            json!({"spec": {"tolerations": [{"key": OPEN_TAINT, "operator": "Exists"}]}, "container": gpus("1")}),
        ),
        twin("RF-GPU-024 spec.nodeName", json!({"spec": {"nodeName": "gpu-1"}}), json!({})),
        twin(
            "RF-GPU-004 spec.nodeSelector",
            json!({"spec": {"nodeSelector": {NODE_LABEL: "another"}}}),
            json!({"spec": {"nodeSelector": {"disk": "fast"}}}),
        ),
        twin("RF-GPU-004 spec.affinity", term("another"), json!({})),
        twin("RF-GPU-025 volumeMounts", mount("/var/run/nvidia-container-devices/all"), mount("/var/run/x")),
        twin(
            "RF-GPU-025 volumeMounts",
            mount("/var/run//nvidia-container-devices/../nvidia-container-devices/0"),
            mount("/dev/shm"),
        ),
        twin("RF-GPU-022 env", env("NVIDIA_VISIBLE_DEVICES", "all"), env("NVIDIA_VISIBLE_DEVICES", "void")),
        twin("RF-GPU-022 env", env("AMD_VISIBLE_DEVICES", "0"), env("AMD_VISIBLE_DEVICES", "none")),
        twin("RF-GPU-022 env", env("ASCEND_VISIBLE_DEVICES", "0-7"), env("ASCEND_RT_VISIBLE_DEVICES", "0")),
        twin("RF-GPU-022 env", env("HABANA_VISIBLE_DEVICES", "all"), env("HABANA_VISIBLE_DEVICES", "void")),
        twin(
            "RF-GPU-022 env",
            env("NVIDIA_MIG_CONFIG_DEVICES", "all"),
            env("NVIDIA_DRIVER_CAPABILITIES", "compute"),
        ),
        twin(
            "RF-GPU-022 env",
            json!({"container": {"resources": {"limits": {"nvidia.com/gpu": "1"}},
                "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}}),
            json!({"container": gpus("1")}),
        ),
        twin(
            "RF-GPU-014 spec.runtimeClassName",
            json!({"spec": {"runtimeClassName": "nvidia"}}),
            json!({"spec": {"runtimeClassName": "nvidia"}, "container": gpus("1")}),
        ),
        twin(
            "RF-GPU-014 spec.runtimeClassName",
            json!({"spec": {"runtimeClassName": "nvidia", "resourceClaims": claim()}, "container": claimed()}),
            json!({"spec": {"resourceClaims": claim()}, "container": claimed()}),
        ),
        twin("RF-GPU-013 spec.volumes", path("/dev/nvidia0"), path("/dev/infiniband")),
        twin("RF-GPU-007 resources.limits", json!({"container": gpus("5")}), json!({"container": gpus("4")})),
        twin(
            "RF-GPU-007 resources.limits",
            json!({"container": gpus("4"), "spec": {"initContainers": [init(&json!({"restartPolicy": "Always"}))]}}),
            json!({"container": gpus("4"), "spec": {"initContainers": [init(&json!({}))]}}),
        ),
    ]
}

/// A claim of a pod, of which nobody sees here what it is of.
fn claim() -> Value {
    json!([{"name": "gpu", "resourceClaimName": "gpu"}])
}

/// A container that names it.
fn claimed() -> Value {
    json!({"resources": {"claims": [{"name": "gpu"}]}})
}

/// An init container with one GPU.
fn init(fields: &Value) -> Value {
    let mut container = json!({"name": "init", "image": "registry.example/init:1",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}}});
    merge(&mut container, fields);
    container
}

const NODE_LABEL: &str = "node-restriction.kubernetes.io/ringfence-domain";

fn host() -> Vec<Twin> {
    let flag = |name: &str, value: bool| json!({"spec": {name: value}});
    let path = |path: &str| json!({"spec": {"volumes": [{"name": "v", "hostPath": {"path": path}}]}});
    let security = |fields: Value| json!({"container": {"securityContext": fields}});
    let add = |name: &str| security(json!({"capabilities": {"add": [name]}}));
    vec![
        twin("RF-NET-010 spec.hostNetwork", flag("hostNetwork", true), flag("hostNetwork", false)),
        twin("RF-RUN-010 spec.hostPID", flag("hostPID", true), flag("hostPID", false)),
        twin("RF-DATA-009 spec.hostIPC", flag("hostIPC", true), flag("hostIPC", false)),
        twin(
            "RF-RUN-001 securityContext.privileged",
            security(json!({"privileged": true})),
            security(json!({"privileged": false, "runAsNonRoot": true})),
        ),
        twin("RF-RUN-009 securityContext.capabilities.add", add("SYS_ADMIN"), add("NET_BIND_SERVICE")),
        twin("RF-RUN-009 securityContext.capabilities.add", add("ALL"), add("IPC_LOCK")),
        twin(
            "RF-RUN-011 spec.volumes",
            path("/var/log"),
            json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}),
        ),
        twin("RF-RUN-011 spec.volumes", path("/dev/infiniband/"), path("/dev/infiniband")),
        twin(
            "RF-RUN-002 resources.limits",
            json!({"container": {"resources": {"limits": null}}}),
            json!({"container": {"resources": {"limits": null}}, "spec": {"resources": {"limits": {"cpu": "2", "memory": "2Gi"}}}}),
        ),
    ]
}

fn listed() -> Vec<Twin> {
    let variable = |secret: &str| json!({"container": {"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}]}});
    let from = |secret: &str| json!({"container": {"envFrom": [{"secretRef": {"name": secret}}]}});
    let volume = |fields: Value| {
        let mut volume = json!({"name": "v"});
        merge(&mut volume, &fields);
        json!({"spec": {"volumes": [volume]}})
    };
    // An ephemeral volume.
    let fresh = |fields: Value| {
        let mut spec =
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        merge(&mut spec, &fields);
        volume(json!({"ephemeral": {"volumeClaimTemplate": {"spec": spec}}}))
    };
    let token = |fields: Value| volume(json!({"projected": {"sources": [{"serviceAccountToken": fields}]}}));
    let key = format!("sk-{}", "0".repeat(40));
    vec![
        twin(
            "RF-SEC-001 env",
            json!({"container": {"env": [{"name": "OPENAI_API_KEY", "value": key}]}}),
            json!({"container": {"env": [{"name": "OPENAI_API_KEY", "value": ""}, {"name": "OPENAI_API_KEY_FILE", "value": "/k"}]}}),
        ),
        twin("RF-RBAC-003 env", variable("db"), variable("hf")),
        twin("RF-RBAC-003 env", from("h"), from("hf")),
        twin(
            "RF-RBAC-003 spec.volumes: mounts a Secret",
            volume(json!({"secret": {"secretName": "db"}})),
            volume(json!({"secret": {"secretName": "hf"}})),
        ),
        twin(
            "RF-RBAC-003 spec.volumes: mounts a Secret",
            volume(json!({"projected": {"sources": [{"secret": {"name": "db"}}]}})),
            volume(json!({"projected": {"sources": [{"secret": {"name": "hf"}}]}})),
        ),
        twin(
            "RF-RBAC-003 spec.volumes: this kind",
            volume(json!({"cephfs": {"monitors": ["m"]}})),
            volume(json!({"configMap": {"name": "c"}})),
        ),
        twin(
            "RF-RBAC-003 spec.volumes: this kind",
            volume(json!({"portworxVolume": {"volumeID": "v"}})),
            volume(json!({"downwardAPI": {}})),
        ),
        // The class of a secrets store decides what it reads, and no Secret is named.
        twin(
            "RF-RBAC-003 spec.volumes: this kind",
            volume(json!({"csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true,
                "volumeAttributes": {"secretProviderClass": "payments"}}})),
            volume(json!({"emptyDir": {}})),
        ),
        twin(
            "RF-RBAC-003 spec.volumes: this kind",
            fresh(json!({"volumeName": "pv-models"})),
            fresh(json!({})),
        ),
        twin(
            "RF-RBAC-003 spec.volumes: this kind",
            fresh(json!({"dataSource": {"kind": "PersistentVolumeClaim", "name": "models"}})),
            fresh(json!({"storageClassName": "fast"})),
        ),
        twin(
            "RF-RBAC-003 spec.volumes: this kind",
            fresh(
                json!({"dataSourceRef": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}}),
            ),
            fresh(json!({"volumeMode": "Filesystem"})),
        ),
        twin(
            "RF-RBAC-003 spec.volumes: this kind",
            fresh(json!({"selector": {"matchLabels": {"team": "other"}}})),
            fresh(json!({"accessModes": ["ReadWriteOncePod"]})),
        ),
        twin(
            "RF-RBAC-003 spec.volumes: mounts a claim",
            volume(json!({"persistentVolumeClaim": {"claimName": "models"}})),
            volume(json!({"persistentVolumeClaim": {"claimName": "data"}})),
        ),
        twin(
            "RF-RBAC-003 spec.serviceAccountName",
            json!({"spec": {"serviceAccountName": "other"}}),
            json!({"spec": {"serviceAccountName": "trainer"}}),
        ),
        twin(
            "RF-RBAC-008 spec.automountServiceAccountToken",
            json!({"spec": {"automountServiceAccountToken": true}}),
            json!({"spec": {"automountServiceAccountToken": true, "serviceAccountName": "trainer"}}),
        ),
        twin(
            "RF-RBAC-008 spec.automountServiceAccountToken",
            token(json!({"path": "t"})),
            token(json!({"path": "t", "audience": "https://huggingface.co"})),
        ),
    ]
}

/// Of the rules outside all domains.
pub(crate) fn outside() -> Vec<Twin> {
    vec![
        twin(
            "RF-GPU-002 spec.tolerations",
            json!({"spec": {"tolerations": [{"operator": "Exists"}]}}),
            json!({"spec": {"tolerations": [{"key": "example.com/burst", "operator": "Exists"}], "hostPID": true}}),
        ),
        twin(
            "RF-GPU-002 spec.tolerations",
            json!({"spec": {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}}),
            json!({"spec": {"tolerations": [{"key": OPEN_TAINT, "operator": "Exists"}]}}),
        ),
        twin("RF-GPU-024 spec.nodeName", json!({"spec": {"nodeName": "gpu-1"}}), json!({})),
        twin(
            "RF-GPU-004 spec.nodeSelector",
            json!({"spec": {"nodeSelector": {NODE_LABEL: "enforced"}}}),
            json!({"spec": {"nodeSelector": {"kubernetes.io/os": "linux"}}}),
        ),
        twin(
            "RF-GPU-004 spec.affinity",
            json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                {"nodeSelectorTerms": [{"matchExpressions": [{"key": NODE_LABEL, "operator": "Exists"}]}]}}}}}),
            json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]}}}}}),
        ),
        twin(
            "RF-GPU-025 volumeMounts",
            json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]},
                "container": {"volumeMounts": [{"name": "v", "mountPath": "/var/run/nvidia-container-devices/all"}]}}),
            json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]},
                "container": {"volumeMounts": [{"name": "v", "mountPath": "/data"}]}}),
        ),
    ]
}
