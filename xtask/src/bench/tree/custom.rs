//! Custom resources that carry pod templates, pod specs or container-like parts where only their own
//! controller looks for them, and one kind that nobody knows.

use serde_json::Value;
use serde_json::json;

use super::pods::container;
use super::pods::spec;
use super::pods::template;
use super::rng::Rng;

/// `apiVersion`, kind, how many, pod templates in each.
pub(super) const CUSTOM: [(&str, &str, usize, usize); 15] = [
    ("ray.io/v1", "RayCluster", 6, 2),
    ("ray.io/v1", "RayJob", 4, 2),
    ("ray.io/v1", "RayService", 2, 2),
    ("kubeflow.org/v1", "PyTorchJob", 4, 2),
    ("kubeflow.org/v2beta1", "MPIJob", 2, 2),
    ("serving.kserve.io/v1beta1", "InferenceService", 6, 1),
    ("jobset.x-k8s.io/v1alpha2", "JobSet", 4, 1),
    ("kubeflow.org/v1", "Notebook", 5, 1),
    ("sparkoperator.k8s.io/v1beta2", "SparkApplication", 2, 2),
    ("argoproj.io/v1alpha1", "Workflow", 4, 0),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", 2, 2),
    ("serving.knative.dev/v1", "Service", 3, 1),
    ("argoproj.io/v1alpha1", "Rollout", 2, 1),
    ("serving.kserve.io/v1alpha1", "ServingRuntime", 3, 1),
    ("fleet.example.dev/v1", "TrainingFleet", 3, 1),
];

pub(super) fn custom(rng: &mut Rng, kind: &str, name: &str) -> Value {
    match kind {
        "RayCluster" => ray(rng, name),
        "RayJob" => json!({
            "entrypoint": "python train.py", "shutdownAfterJobFinishes": true, "rayClusterSpec": ray(rng, name),
        }),
        "RayService" => json!({
            "serveConfigV2": "applications:\n  - name: app\n    import_path: serve:app\n", "rayClusterConfig": ray(rng, name),
        }),
        "PyTorchJob" => json!({"pytorchReplicaSpecs": {
            "Master": {"replicas": 1, "restartPolicy": "OnFailure", "template": template(rng, name)},
            "Worker": {"replicas": rng.between(1, 8), "restartPolicy": "OnFailure", "template": template(rng, name)},
        }}),
        "MPIJob" => json!({"slotsPerWorker": 8, "mpiReplicaSpecs": {
            "Launcher": {"replicas": 1, "template": template(rng, name)},
            "Worker": {"replicas": rng.between(1, 8), "template": template(rng, name)},
        }}),
        "InferenceService" => {
            let mut predictor = spec(rng, name);
            predictor["minReplicas"] = 1.into();
            predictor["model"] = json!({
                "modelFormat": {"name": "huggingface"}, "storageUri": format!("s3://models/{}", rng.word()),
                "resources": {"limits": {"nvidia.com/gpu": "1"}},
            });
            json!({"predictor": predictor})
        }
        "JobSet" => json!({"replicatedJobs": [{
            "name": "workers", "replicas": 2,
            "template": {"spec": {"parallelism": 4, "completions": 4, "template": template(rng, name)}},
        }]}),
        "SparkApplication" => json!({
            "type": "Python", "mode": "cluster", "sparkVersion": "3.5.1",
            "driver": {"cores": 1, "memory": "4g", "template": template(rng, name)},
            "executor": {"instances": 4, "cores": 2, "memory": "8g", "template": template(rng, name)},
        }),
        "Workflow" => workflow(rng),
        "LeaderWorkerSet" => json!({
            "replicas": 1,
            "leaderWorkerTemplate": {"size": 4, "leaderTemplate": template(rng, name), "workerTemplate": template(rng, name)},
        }),
        "Rollout" => json!({
            "replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template(rng, name),
            "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {"duration": "10m"}}]}},
        }),
        "ServingRuntime" => {
            let mut runtime = spec(rng, name);
            runtime["supportedModelFormats"] = json!([{"name": "huggingface", "autoSelect": true}]);
            runtime
        }
        "TrainingFleet" => {
            json!({"stages": [{"name": "tune", "shape": {"pods": template(rng, name)}, "budget": {"hours": 12}}]})
        }
        _ => json!({"template": template(rng, name)}), // Notebook, Knative Service
    }
}

fn ray(rng: &mut Rng, name: &str) -> Value {
    json!({
        "rayVersion": "2.46.0",
        "headGroupSpec": {"rayStartParams": {"dashboard-host": "0.0.0.0"}, "template": template(rng, name)},
        "workerGroupSpecs": [{
            "groupName": "gpu", "replicas": rng.between(1, 8), "minReplicas": 0, "maxReplicas": 16,
            "rayStartParams": {}, "template": template(rng, name),
        }],
    })
}

fn workflow(rng: &mut Rng) -> Value {
    let steps: Vec<Value> = ["prepare", "train", "evaluate", "publish"]
        .iter()
        .map(|step| json!({"name": step, "inputs": {"parameters": [{"name": "run"}]}, "container": container(rng, step, false)}))
        .collect();
    json!({
        "entrypoint": "main",
        "arguments": {"parameters": [{"name": "run", "value": "{{workflow.uid}}"}]},
        "templates": steps,
    })
}
