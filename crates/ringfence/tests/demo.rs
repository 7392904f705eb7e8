//! The demo platform as a stranger meets it: open, with every flaw that was planted and none that was not; closed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use std::collections::BTreeSet;

use support::run;

/// Root causes planted in `demo/open`: control, object. Written by hand from the manifests. Controls that are not named
/// here are not held to it: a new one adds its rows.
const PLANTED: &[(&str, &str)] = &[
    ("RF-GPU-001", "Node/gpu-node-4"),
    ("RF-GPU-002", "Deployment/web/checkout"),
    ("RF-GPU-002", "Notebook/notebooks/exploration"),
    // Any kubelet may label its node as one of the pool.
    ("RF-GPU-004", "Workflow/pipelines/intent-refresh"),
    ("RF-GPU-004", "CronJob/pipelines/nightly-eval"),
    ("RF-GPU-004", "RayCluster/ml-training/batch"),
    ("RF-GPU-004", "RayJob/ml-training/reward-model"),
    ("RF-GPU-004", "InferenceService/ml-serving/reranker"),
    ("RF-GPU-004", "Deployment/ml-serving/llama-70b"),
    ("RF-GPU-004", "Deployment/ml-serving/vision"),
    ("RF-GPU-004", "Deployment/ml-serving/embeddings"),
    ("RF-GPU-004", "PyTorchJob/ml-training/tickets-sft"),
    ("RF-GPU-004", "PyTorchJob/ml-training/summarizer-sft"),
    ("RF-GPU-004", "Job/ml-training/lora-smoke"),
    ("RF-GPU-004", "Job/ml-training/eval-harness"),
    ("RF-GPU-004", "JobSet/ml-training/pretrain-tokenizer"),
    ("RF-GPU-004", "TrainingRun/ml-training/speech-de"),
    ("RF-GPU-004", "TrainingRun/ml-training/intent-classifier"),
    ("RF-GPU-005", "Deployment/web/checkout"),
    ("RF-GPU-005", "Notebook/notebooks/exploration"),
    ("RF-GPU-007", "TrainingRun/ml-training/speech-de"),
    ("RF-GPU-021", "ResourceQuota/ml-serving/gpus"),
    ("RF-GPU-021", "ResourceQuota/ml-training/gpus"),
    ("RF-GPU-021", "ResourceQuota/notebooks/compute"),
    ("RF-GPU-021", "ResourceQuota/pipelines/compute"),
    ("RF-GPU-024", "Pod/ml-training/nccl-debug"),
    ("RF-NET-001", "Namespace/ml-serving"),
    ("RF-NET-001", "Namespace/notebooks"),
    ("RF-NET-001", "Namespace/pipelines"),
    ("RF-NET-001", "Namespace/vector"),
    ("RF-NET-002", "NetworkPolicy/ml-training/allow-hub"),
    // On 443 only, where no metadata server answers: medium.
    ("RF-NET-003", "NetworkPolicy/ml-training/allow-hub"),
    ("RF-NET-006", "NetworkPolicy/ml-serving/ai-pipeline-egress"),
    ("RF-NET-006", "NetworkPolicy/vector/allow-clients"),
    ("RF-NET-007", "Service/ml-serving/llama-70b"),
    ("RF-NET-007", "InferenceService/ml-serving/reranker"),
    // One key stands in two places: one root cause, named on either.
    ("RF-SEC-001", "ConfigMap/agents/litellm-config"),
    ("RF-SEC-001", "CronJob/pipelines/embed-docs"),
    ("RF-SEC-001", "Deployment/agents/research-agent"),
    ("RF-SEC-001", "PyTorchJob/ml-training/tickets-sft"),
    ("RF-SEC-001", "ConfigMap/notebooks/notebook-env"),
    ("RF-SEC-003", "Secret/agents/research-agent"),
    ("RF-SEC-006", "ClusterSecretStore/aws-secrets-manager"),
    ("RF-SEC-006", "ExternalSecret/ml-serving/ai-api-keys"),
    ("RF-SEC-006", "ExternalSecret/pipelines/qdrant-writer"),
    ("RF-MOD-002", "Deployment/ml-serving/llama-70b"),
    ("RF-MOD-002", "InferenceService/ml-serving/reranker"),
    ("RF-MOD-002", "InferenceService/ml-serving/churn"),
    ("RF-MOD-002", "PyTorchJob/ml-training/tickets-sft"),
    ("RF-MOD-004", "Deployment/ml-serving/vision"),
    ("RF-MOD-004", "ServingRuntime/ml-serving/vllm-small"),
    ("RF-RBAC-001", "ClusterRoleBinding/data-scientists-admin"),
    ("RF-RBAC-002", "Role/ml-serving/serving-oncall"),
    ("RF-RBAC-003", "Role/ml-training/ml-engineer"),
    ("RF-RBAC-003", "Role/pipelines/argo-executor"),
    ("RF-RBAC-007", "Role/notebooks/notebook-user"),
    ("RF-RBAC-008", "Pod/ml-training/nccl-debug"),
    ("RF-RBAC-008", "Notebook/notebooks/exploration"),
    ("RF-RBAC-008", "CronJob/pipelines/embed-docs"),
    ("RF-RBAC-008", "RayCluster/ml-training/batch"),
    ("RF-RBAC-008", "InferenceService/ml-serving/reranker"),
    ("RF-RBAC-008", "InferenceService/ml-serving/churn"),
    ("RF-RBAC-008", "Deployment/ml-serving/llama-70b"),
    ("RF-RBAC-008", "Deployment/ml-serving/vision"),
    ("RF-RBAC-008", "Deployment/ml-serving/chat-api"),
    ("RF-RBAC-008", "TrainingRun/ml-training/speech-de"),
    ("RF-RBAC-008", "PyTorchJob/ml-training/tickets-sft"),
    ("RF-RBAC-008", "Job/ml-training/lora-smoke"),
    ("RF-DATA-005", "StorageClass/training-data"),
    ("RF-DATA-005", "VolumeSnapshotClass/qdrant-snapshots"),
    ("RF-DATA-008", "Deployment/ml-serving/llama-70b"),
    ("RF-DATA-008", "PyTorchJob/ml-training/tickets-sft"),
    ("RF-DATA-008", "RayCluster/ml-training/batch"),
    ("RF-DATA-011", "PyTorchJob/ml-training/tickets-sft"),
    ("RF-DATA-011", "Job/ml-training/lora-smoke"),
    ("RF-RUN-001", "PyTorchJob/ml-training/tickets-sft"),
    ("RF-RUN-001", "TrainingRun/ml-training/speech-de"),
    ("RF-RUN-004", "Namespace/ml-training"),
    ("RF-RUN-004", "Namespace/notebooks"),
    ("RF-RUN-013", "PyTorchJob/ml-training/tickets-sft"),
    ("RF-RUN-013", "Job/ml-training/lora-smoke"),
    ("RF-RUN-013", "RayJob/ml-training/reward-model"),
    ("RF-AGT-001", "Service/agents/mcp-github"),
    ("RF-AGT-002", "Sandbox/agents/code-runner"),
];

#[test]
fn open_shows_every_planted_flaw_and_no_other() {
    let scan = run(&["scan", "demo/open", "--format", "json"]).ends(1).json();
    let mut found = Vec::new();
    for finding in scan["findings"].as_array().unwrap() {
        if finding["result"] != "fail" {
            continue;
        }
        let resource = &finding["resource"];
        let namespace = resource["namespace"].as_str().map_or_else(String::new, |name| format!("{name}/"));
        let object = format!(
            "{}/{namespace}{}",
            resource["kind"].as_str().unwrap(),
            resource["name"].as_str().unwrap()
        );
        found.push((finding["control"].as_str().unwrap().to_owned(), object));
    }
    let planted: BTreeSet<_> =
        PLANTED.iter().map(|(id, object)| ((*id).to_owned(), (*object).to_owned())).collect();
    found.retain(|(control, _)| planted.iter().any(|(known, _)| known == control));
    let found_set: BTreeSet<_> = found.iter().cloned().collect();
    let missed: Vec<_> = planted.difference(&found_set).collect();
    let extra: Vec<_> = found_set.difference(&planted).collect();
    assert!(missed.is_empty() && extra.is_empty(), "missed: {missed:#?}\nnot planted: {extra:#?}");
    assert_eq!(found.len(), found_set.len(), "one line per root cause: {found:#?}");
    assert_eq!(scan["coverage"]["complete"], true);
    assert_eq!(scan["coverage"]["percent"], 100);
    assert_eq!(scan["verdict"]["door"], "open");
    assert_eq!(scan["found"]["keys"], 5);
    assert_eq!(scan["found"]["gpuNodes"], 4);
}

#[test]
fn closed_is_closed_and_says_what_remains() {
    let ran = run(&["scan", "demo/closed", "--format", "json"]).ends(0);
    let scan = ran.json();
    assert_eq!(scan["verdict"]["door"], "closed");
    assert_eq!(scan["verdict"]["exposure"]["exposed"].as_array().unwrap().len(), 0);
    for finding in scan["findings"].as_array().unwrap() {
        let serious = ["high", "critical"].contains(&finding["severity"].as_str().unwrap());
        assert!(finding["result"] != "fail" || !serious, "{finding:#}");
    }
    assert_eq!(scan["coverage"]["complete"], true);
}

#[test]
fn what_the_screen_says_to_type_next_can_be_typed() {
    let folder = support::Folder::new("next");
    for source in ["demo/open", "demo/closed", "fixtures/guide", folder.path()] {
        let screen = run(&["scan", source]).out;
        let headline = screen.lines().find(|line| line.starts_with("THE DOOR IS ")).unwrap();
        assert!(!headline.contains(source), "a headline is quoted and names no path: {headline}");
        let next = screen.lines().skip_while(|line| !line.starts_with("Next  "));
        let commands: Vec<&str> = next.filter_map(|line| line.get(6..)?.strip_prefix("ringfence ")).collect();
        assert!(!commands.is_empty(), "{screen}");
        for command in commands {
            let ran = run(&command.split(' ').collect::<Vec<_>>());
            assert!(ran.code < 2 && !ran.out.is_empty(), "{command}: {ran:#?}");
        }
    }
}
