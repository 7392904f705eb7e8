//! Room `lab`: a client -> a cluster as large as asked: namespaces, Deployments and Jobs with the pods they made, on
//! fake nodes. No controller is needed: accounts, makers and pods are written as their controllers would write them.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use kube::Client;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use kube::api::Request;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Requests under way at once: more only queue in the API server.
const AT_ONCE: usize = 24;
/// The set that a Deployment made.
const SET: &str = "server-6d4cf56db6";
/// Pods that one fake node is given.
const PODS_A_NODE: usize = 100;

/// How much to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Namespaces.
    pub namespaces: usize,
    /// Pods in all of them together.
    pub pods: usize,
}

/// Fills a cluster; `done` counts pods.
///
/// # Errors
/// The first answer of the API server that is not a success. What was written until then stays.
pub async fn fill(client: Client, size: Size, done: Arc<AtomicUsize>) -> Result<(), kube::Error> {
    let nodes = size.pods.div_ceil(PODS_A_NODE).max(1);
    for index in 0..nodes {
        create(&client, "/api/v1/nodes", &node(index)).await?;
        set_status(&client, "/api/v1/nodes", &format!("gpu-{index:03}"), &node_status()).await?;
    }
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for index in 0..size.namespaces {
        // Spread evenly: what the division leaves over goes to the first namespaces.
        let pods = size.pods / size.namespaces + usize::from(index < size.pods % size.namespaces);
        let (client, permits, done) = (client.clone(), Arc::clone(&permits), Arc::clone(&done));
        tasks.spawn(async move {
            let _permit = permits.acquire().await;
            Box::pin(fill_namespace(client, index, pods, nodes, &done)).await
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap_or_else(|error| Err(kube::Error::Service(Box::new(error))))?;
    }
    Ok(())
}

async fn fill_namespace(
    client: Client,
    index: usize,
    pods: usize,
    nodes: usize,
    done: &AtomicUsize,
) -> Result<(), kube::Error> {
    let name = format!("team-{index:04}");
    let namespace = json!({"metadata": {"name": name, "labels": {"team": name}}});
    create(&client, "/api/v1/namespaces", &namespace).await?;
    let path = |group: &str, plural: &str| format!("{group}/namespaces/{name}/{plural}");
    // Admission asks for it before it lets a pod in, and without controllers nobody makes it.
    let account = json!({"metadata": {"name": "default"}});
    match create(&client, &path("/api/v1", "serviceaccounts"), &account).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        made => _ = made?,
    }
    let serving = pods.div_ceil(2);
    let uid = create(&client, &path("/apis/apps/v1", "deployments"), &deployment_of(serving)).await?;
    let set = replica_set(serving, &owner("apps/v1", "Deployment", "server", &uid));
    let uid = create(&client, &path("/apis/apps/v1", "replicasets"), &set).await?;
    let serving_owner = owner("apps/v1", "ReplicaSet", SET, &uid);
    let uid = create(&client, &path("/apis/batch/v1", "jobs"), &job_of(pods - serving)).await?;
    let training_owner = owner("batch/v1", "Job", "train", &uid);
    let pods_path = path("/api/v1", "pods");
    for number in 0..pods {
        let (stem, owner, spec) = if number < serving {
            (SET, &serving_owner, server_spec())
        } else {
            ("train", &training_owner, trainer_spec())
        };
        let node = format!("gpu-{:03}", (index + number * 7) % nodes);
        let pod = format!("{stem}-{number:05}");
        create(&client, &pods_path, &running(&pod, stem, owner, spec, &node)).await?;
        set_status(&client, &pods_path, &pod, &pod_status(number)).await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Creates an object and gives its uid.
async fn create(client: &Client, path: &str, object: &Value) -> Result<String, kube::Error> {
    let request = Request::new(path).create(&PostParams::default(), object.to_string().into_bytes());
    let made: Value = client.request(request.map_err(kube::Error::BuildRequest)?).await?;
    Ok(made["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
}

async fn set_status(client: &Client, path: &str, name: &str, status: &Value) -> Result<(), kube::Error> {
    let patch = Patch::Merge(json!({"status": status}));
    let request = Request::new(path).patch_subresource("status", name, &PatchParams::default(), &patch);
    client.request::<Value>(request.map_err(kube::Error::BuildRequest)?).await.map(drop)
}

fn owner(version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!([{"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true}])
}

fn node(index: usize) -> Value {
    json!({"metadata": {
        "name": format!("gpu-{index:03}"),
        "labels": {"kubernetes.io/os": "linux", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.present": "true"},
    }, "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]}})
}

fn node_status() -> Value {
    let size = json!({"cpu": "192", "memory": "2Ti", "pods": "250", "nvidia.com/gpu": "8"});
    json!({"capacity": size, "allocatable": size, "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]})
}

fn template(app: &str, spec: &Value) -> Value {
    json!({"metadata": {"labels": {"app": app}}, "spec": spec})
}

fn deployment_of(replicas: usize) -> Value {
    json!({"metadata": {"name": "server"}, "spec": {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "server"}},
        "template": template("server", &server_spec()),
    }})
}

fn replica_set(replicas: usize, owner: &Value) -> Value {
    let mut template = template("server", &server_spec());
    if let Some(labels) = template.pointer_mut("/metadata/labels") {
        labels["pod-template-hash"] = "6d4cf56db6".into();
    }
    json!({
        "metadata": {
            "name": SET,
            "labels": {"app": "server", "pod-template-hash": "6d4cf56db6"},
            "ownerReferences": owner,
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "server", "pod-template-hash": "6d4cf56db6"}},
            "template": template,
        },
    })
}

fn job_of(parallelism: usize) -> Value {
    let mut spec = trainer_spec();
    spec["restartPolicy"] = "Never".into();
    json!({"metadata": {"name": "train"}, "spec": {
        "parallelism": parallelism,
        "completions": parallelism,
        "template": {"metadata": {"labels": {"app": "train"}}, "spec": spec},
    }})
}

/// A model server with its metrics exporter, as charts write them.
fn server_spec() -> Value {
    json!({
        "serviceAccountName": "default",
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "containers": [
            {
                "name": "vllm",
                "image": "registry.internal/vllm/vllm-openai:v0.9.1",
                "args": ["--model", "org/chat-7b", "--tensor-parallel-size", "1", "--max-model-len", "8192"],
                "env": [
                    {"name": "HF_HOME", "value": "/models"},
                    {"name": "NCCL_DEBUG", "value": "WARN"},
                    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                "ports": [{"containerPort": 8000, "name": "http"}],
                "resources": {"limits": {"nvidia.com/gpu": "1", "memory": "64Gi"}, "requests": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "1"}},
                "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 10},
                "volumeMounts": [{"name": "models", "mountPath": "/models"}, {"name": "shm", "mountPath": "/dev/shm"}],
            },
            {
                "name": "metrics",
                "image": "registry.internal/exporter:1.4.2",
                "ports": [{"containerPort": 9400}],
                "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "50m", "memory": "128Mi"}},
            },
        ],
        "volumes": [
            {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}},
        ],
    })
}

/// A worker of a training job.
fn trainer_spec() -> Value {
    json!({
        "restartPolicy": "Never",
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "containers": [{
            "name": "trainer",
            "image": "registry.internal/train/torch:2.9.0-cuda13",
            "command": ["torchrun", "--nproc-per-node=8", "train.py", "--data", "/data/corpus"],
            "env": [{"name": "WORLD_SIZE", "value": "8"}, {"name": "MASTER_PORT", "value": "29500"}],
            "resources": {"limits": {"nvidia.com/gpu": "8", "memory": "512Gi"}, "requests": {"nvidia.com/gpu": "8", "memory": "512Gi", "cpu": "64"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": true}],
        }],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "corpus"}}],
    })
}

/// A pod as the scheduler leaves it.
fn running(name: &str, stem: &str, owner: &Value, mut spec: Value, node: &str) -> Value {
    spec["nodeName"] = node.into();
    let app = stem.split('-').next().unwrap_or(stem);
    let mut labels = json!({"app": app});
    if let Some((_, hash)) = stem.split_once('-') {
        labels["pod-template-hash"] = hash.into();
    }
    json!({
        "metadata": {"name": name, "labels": labels, "ownerReferences": owner},
        "spec": spec,
    })
}

/// What a kubelet reports.
fn pod_status(number: usize) -> Value {
    let (high, low) = (number / 250 % 250, number % 250 + 1);
    let ip = format!("10.244.{high}.{low}");
    let at = "2026-11-20T08:00:00Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": at});
    json!({
        "phase": "Running",
        "hostIP": "10.0.0.1",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "qosClass": "Burstable",
        "startTime": at,
        "conditions": [condition("PodScheduled"), condition("Initialized"), condition("ContainersReady"), condition("Ready")],
        "containerStatuses": [{
            "name": "vllm",
            "image": "registry.internal/vllm/vllm-openai:v0.9.1",
            "imageID": format!("registry.internal/vllm/vllm-openai@sha256:{:064x}", 0x5eed),
            "containerID": format!("containerd://{number:064x}"),
            "ready": true,
            "restartCount": 0,
            "started": true,
            "state": {"running": {"startedAt": at}},
        }],
    })
}
