//! The table of kinds that carry pods: group, kind, and where the pods stand. One row a kind, matched on group *and*
//! kind.
//!
//! Patterns: keys joined by dots, `{*}` every value of a mapping, `[*]` every item of a list.
//! Which paths were compared with a real definition stands in docs/pod-paths.md.

/// What stands at the end of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A mapping with `metadata` and `spec`: a PodTemplateSpec.
    Template,
    /// A PodSpec.
    Spec,
    /// PodSpec fields beside fields of the kind's own, one container perhaps under `model` (KServe).
    InlineSpec,
    /// A PodTemplateSpec laid over one of another object: what it leaves out is said there.
    Patch,
    /// The same without the template: fields of a PodSpec beside the name of what they are laid over.
    SpecPatch,
    /// One container-like mapping; the operator builds the pod.
    Part,
    /// Another container-like mapping of the same pod as the one before it.
    MorePart,
    /// One Argo template: `container`, `script`, `containerSet`, with pod fields beside them.
    ArgoTemplate,
}

/// Where the pods of a kind stand.
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) kinds: &'static [&'static str],
    pub(crate) paths: &'static [(Shape, &'static str)],
}

use Shape::ArgoTemplate;
use Shape::InlineSpec;
use Shape::MorePart;
use Shape::Part;
use Shape::Patch;
use Shape::Spec;
use Shape::SpecPatch;
use Shape::Template;

const fn row(
    group: &'static str,
    kinds: &'static [&'static str],
    paths: &'static [(Shape, &'static str)],
) -> Row {
    Row { group, kinds, paths }
}

/// Kinds of Kubernetes itself.
pub(crate) const CORE: &[Row] = &[
    row("", &["Pod"], &[(Spec, "spec")]),
    row("", &["PodTemplate"], &[(Template, "template")]),
    row("", &["ReplicationController"], &[(Template, "spec.template")]),
    row("apps", &["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"], &[(Template, "spec.template")]),
    row("batch", &["Job"], &[(Template, "spec.template")]),
    row("batch", &["CronJob"], &[(Template, "spec.jobTemplate.spec.template")]),
];

const RAY_CLUSTER: &[(Shape, &str)] = &[
    (Template, "spec.headGroupSpec.template"),
    (Template, "spec.workerGroupSpecs[*].template"),
    (Part, "spec.autoscalerOptions"),
    (Part, "spec.historyServerOptions.collectorOptions"),
];

/// Kinds of AI projects and of what they build on.
pub(crate) const CUSTOM: &[Row] = &[
    row("kubeflow.org", &["PyTorchJob"], &[(Template, "spec.pytorchReplicaSpecs{*}.template")]),
    row("kubeflow.org", &["TFJob"], &[(Template, "spec.tfReplicaSpecs{*}.template")]),
    row("kubeflow.org", &["MPIJob"], &[(Template, "spec.mpiReplicaSpecs{*}.template")]),
    row("kubeflow.org", &["XGBoostJob"], &[(Template, "spec.xgbReplicaSpecs{*}.template")]),
    row("kubeflow.org", &["PaddleJob"], &[(Template, "spec.paddleReplicaSpecs{*}.template")]),
    row("kubeflow.org", &["JAXJob"], &[(Template, "spec.jaxReplicaSpecs{*}.template")]),
    row("kubeflow.org", &["Notebook"], &[(Template, "spec.template")]),
    row("kubeflow.org", &["PVCViewer"], &[(Spec, "spec.podSpec")]),
    row(
        "kubeflow.org",
        &["PodDefault"],
        &[(Part, "spec.sidecars[*]"), (Part, "spec.initContainers[*]"), (Part, "spec")],
    ),
    row(
        "trainer.kubeflow.org",
        &["TrainingRuntime", "ClusterTrainingRuntime"],
        &[(Template, "spec.template.spec.replicatedJobs[*].template.spec.template")],
    ),
    row(
        "trainer.kubeflow.org",
        &["TrainJob"],
        &[
            (Part, "spec.trainer"),
            (Part, "spec.initializer.dataset"),
            (Part, "spec.initializer.model"),
            (SpecPatch, "spec.podSpecOverrides[*]"),
            (Patch, "spec.podTemplateOverrides[*]"),
            (Patch, "spec.templateOverrides[*].pod[*]"),
            (
                Patch,
                "spec.runtimePatches[*].trainingRuntimeSpec.template.spec.replicatedJobs[*].template.spec.template",
            ),
        ],
    ),
    row(
        "serving.kserve.io",
        &["InferenceService"],
        &[
            (InlineSpec, "spec.predictor"),
            (InlineSpec, "spec.transformer"),
            (InlineSpec, "spec.explainer"),
            (InlineSpec, "spec.canary[*].predictor"),
        ],
    ),
    row(
        "serving.kserve.io",
        &["ServingRuntime", "ClusterServingRuntime"],
        &[(Spec, "spec"), (Spec, "spec.workerSpec")],
    ),
    row("serving.kserve.io", &["ClusterStorageContainer"], &[(Part, "spec.container")]),
    row(
        "serving.kserve.io",
        &["LLMInferenceService", "LLMInferenceServiceConfig"],
        &[
            (Spec, "spec.template"),
            (Spec, "spec.worker"),
            (Spec, "spec.prefill.template"),
            (Spec, "spec.prefill.worker"),
            (Spec, "spec.router.scheduler.template"),
            (Spec, "spec.router.scheduler.tokenizer.template"),
        ],
    ),
    row("ray.io", &["RayCluster"], RAY_CLUSTER),
    row(
        "ray.io",
        &["RayJob"],
        &[
            (Template, "spec.rayClusterSpec.headGroupSpec.template"),
            (Template, "spec.rayClusterSpec.workerGroupSpecs[*].template"),
            (Part, "spec.rayClusterSpec.autoscalerOptions"),
            (Part, "spec.rayClusterSpec.historyServerOptions.collectorOptions"),
            (Template, "spec.submitterPodTemplate"),
        ],
    ),
    row(
        "ray.io",
        &["RayService"],
        &[
            (Template, "spec.rayClusterConfig.headGroupSpec.template"),
            (Template, "spec.rayClusterConfig.workerGroupSpecs[*].template"),
            (Part, "spec.rayClusterConfig.autoscalerOptions"),
            (Part, "spec.rayClusterConfig.historyServerOptions.collectorOptions"),
        ],
    ),
    row(
        "ray.io",
        &["RayCronJob"],
        &[
            (Template, "spec.jobTemplate.rayClusterSpec.headGroupSpec.template"),
            (Template, "spec.jobTemplate.rayClusterSpec.workerGroupSpecs[*].template"),
            (Part, "spec.jobTemplate.rayClusterSpec.autoscalerOptions"),
            (Part, "spec.jobTemplate.rayClusterSpec.historyServerOptions.collectorOptions"),
            (Template, "spec.jobTemplate.submitterPodTemplate"),
        ],
    ),
    row(
        "leaderworkerset.x-k8s.io",
        &["LeaderWorkerSet"],
        &[
            (Template, "spec.leaderWorkerTemplate.leaderTemplate"),
            (Template, "spec.leaderWorkerTemplate.workerTemplate"),
        ],
    ),
    row("jobset.x-k8s.io", &["JobSet"], &[(Template, "spec.replicatedJobs[*].template.spec.template")]),
    row("kueue.x-k8s.io", &["Workload"], &[(Template, "spec.podSets[*].template")]),
    row("batch.volcano.sh", &["Job"], &[(Template, "spec.tasks[*].template")]),
    row(
        "argoproj.io",
        &["Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"],
        &[
            (ArgoTemplate, "spec.templates[*]"),
            (ArgoTemplate, "spec.templates[*].dag.tasks[*].inline"),
            (ArgoTemplate, "spec.templates[*].steps[*][*].inline"),
            (ArgoTemplate, "spec.templateDefaults"),
        ],
    ),
    row(
        "argoproj.io",
        &["CronWorkflow"],
        &[
            (ArgoTemplate, "spec.workflowSpec.templates[*]"),
            (ArgoTemplate, "spec.workflowSpec.templates[*].dag.tasks[*].inline"),
            (ArgoTemplate, "spec.workflowSpec.templates[*].steps[*][*].inline"),
            (ArgoTemplate, "spec.workflowSpec.templateDefaults"),
        ],
    ),
    row("argoproj.io", &["Rollout"], &[(Template, "spec.template")]),
    row("argoproj.io", &["Experiment"], &[(Template, "spec.templates[*].template")]),
    row(
        "argoproj.io",
        &["AnalysisRun", "AnalysisTemplate", "ClusterAnalysisTemplate"],
        &[(Template, "spec.metrics[*].provider.job.spec.template")],
    ),
    row("serving.knative.dev", &["Service", "Configuration"], &[(Template, "spec.template")]),
    row("serving.knative.dev", &["Revision"], &[(Spec, "spec")]),
    row(
        "sparkoperator.k8s.io",
        &["SparkApplication"],
        &[
            (Template, "spec.driver.template"),
            (Template, "spec.executor.template"),
            (Part, "spec.driver"),
            (Part, "spec.executor"),
            (Part, "spec.driver.sidecars[*]"),
            (Part, "spec.executor.sidecars[*]"),
            (Part, "spec.driver.initContainers[*]"),
            (Part, "spec.executor.initContainers[*]"),
        ],
    ),
    row(
        "sparkoperator.k8s.io",
        &["ScheduledSparkApplication"],
        &[
            (Template, "spec.template.driver.template"),
            (Template, "spec.template.executor.template"),
            (Part, "spec.template.driver"),
            (Part, "spec.template.executor"),
            (Part, "spec.template.driver.sidecars[*]"),
            (Part, "spec.template.executor.sidecars[*]"),
            (Part, "spec.template.driver.initContainers[*]"),
            (Part, "spec.template.executor.initContainers[*]"),
        ],
    ),
    row(
        "sparkoperator.k8s.io",
        &["SparkConnect"],
        &[(Template, "spec.server.template"), (Template, "spec.executor.template")],
    ),
    row("agents.x-k8s.io", &["Sandbox"], &[(Template, "spec.podTemplate")]),
    row("extensions.agents.x-k8s.io", &["SandboxTemplate"], &[(Template, "spec.podTemplate")]),
    row(
        "production-stack.vllm.ai",
        &["VLLMRuntime"],
        &[
            (Part, "spec.deploymentConfig"),
            (MorePart, "spec.deploymentConfig.sidecarConfig"),
            (MorePart, "spec.vllmConfig"),
        ],
    ),
    row("production-stack.vllm.ai", &["VLLMRouter"], &[(Part, "spec")]),
    row(
        "machinelearning.seldon.io",
        &["SeldonDeployment"],
        &[(Template, "spec.predictors[*].componentSpecs[*]")],
    ),
    row("mlops.seldon.io", &["Server", "ServerConfig"], &[(Spec, "spec.podSpec")]),
    row("kaito.sh", &["Workspace"], &[(Template, "inference.template")]),
    row("nvidia.com", &["DynamoGraphDeployment"], &[(InlineSpec, "spec.services{*}.extraPodSpec")]),
    row("nvidia.com", &["DynamoComponentDeployment"], &[(InlineSpec, "spec.extraPodSpec")]),
    row("apps.nvidia.com", &["NIMService"], &[(Part, "spec")]),
    row("apps.nvidia.com", &["NIMPipeline"], &[(Part, "spec.services[*].spec")]),
    row("nvidia.com", &["ClusterPolicy", "NVIDIADriver", "GPUCluster"], &[(Part, "spec{*}"), (Part, "spec")]),
];

/// The row of a kind.
pub(crate) fn row_of(group: &str, kind: &str) -> Option<&'static Row> {
    let table = if is_of_kubernetes(group) { CORE } else { CUSTOM };
    table.iter().find(|row| row.group == group && row.kinds.contains(&kind))
}

/// Whether a kind is in the table.
pub(crate) fn is_in_the_table(group: &str, kind: &str) -> bool {
    row_of(group, kind).is_some()
}

/// Whether a group is one of Kubernetes itself, with kinds that carry pods.
pub(crate) fn is_of_kubernetes(group: &str) -> bool {
    matches!(group, "" | "apps" | "batch")
}

/// API groups of Kubernetes and of projects whose other kinds carry no pods: nothing to say when none is found.
const WITHOUT_PODS: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "autoscaling",
    "certificates.k8s.io",
    "cert-manager.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "external-secrets.io",
    "flowcontrol.apiserver.k8s.io",
    "gateway.networking.k8s.io",
    "generators.external-secrets.io",
    "inference.networking.k8s.io",
    "metrics.k8s.io",
    "monitoring.coreos.com",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "policy.networking.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "snapshot.storage.k8s.io",
    "storage.k8s.io",
];

/// Whether kinds of this group are known to start no pods by themselves.
pub(crate) fn is_without_pods(group: &str) -> bool {
    is_of_kubernetes(group) || WITHOUT_PODS.contains(&group)
}

/// Kinds of the table that start no pods by themselves: templates for others, or parts of the platform.
const STARTS_NONE: &[&str] = &[
    "AnalysisTemplate",
    "ClusterAnalysisTemplate",
    "ClusterPolicy",
    "ClusterServingRuntime",
    "ClusterStorageContainer",
    "ClusterTrainingRuntime",
    "ClusterWorkflowTemplate",
    "GPUCluster",
    "LLMInferenceServiceConfig",
    "NVIDIADriver",
    "PodDefault",
    "PodTemplate",
    "SandboxTemplate",
    "ServerConfig",
    "ServingRuntime",
    "TrainingRuntime",
    "WorkflowTemplate",
    "Workload",
];

/// Kinds that start the pods of an object inside them.
const STARTS_EMBEDDED: &[(&str, &str)] = &[
    ("kubeflow.org", "Experiment"),
    ("kubeflow.org", "ScheduledWorkflow"),
    ("workload.codeflare.dev", "AppWrapper"),
];

/// Groups and kinds whose objects start pods.
pub(crate) fn pod_kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = CORE.iter().chain(CUSTOM);
    let known = rows.flat_map(|row| row.kinds.iter().map(|kind| (row.group, *kind)));
    known.filter(|(_, kind)| !STARTS_NONE.contains(kind)).chain(STARTS_EMBEDDED.iter().copied())
}

/// Groups and kinds whose objects hold pods, those that start none by themselves included.
pub(crate) fn holders() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = CORE.iter().chain(CUSTOM);
    let known = rows.flat_map(|row| row.kinds.iter().map(|kind| (row.group, *kind)));
    known.chain(STARTS_EMBEDDED.iter().copied())
}

/// Name of a kind's API resource, as generators of CRDs form it: `rayclusters`, `sandboxes`, `policies`.
pub(crate) fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    let before_last = kind.chars().rev().nth(1).unwrap_or('a');
    match kind.strip_suffix('y') {
        Some(stem) if !"aeiou".contains(before_last) => format!("{stem}ies"),
        _ if kind.ends_with(['s', 'x', 'z']) || kind.ends_with("ch") || kind.ends_with("sh") => {
            format!("{kind}es")
        }
        _ => format!("{kind}s"),
    }
}

#[cfg(test)]
mod real;
#[cfg(test)]
mod reduced;
#[cfg(test)]
mod tests;
