//! What makes a workload AI, how sure that is, and what looks like AI and is not.

use ringfence_inventory::Inventory;
use ringfence_inventory::Scope;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::WorkloadClass as Class;

/// Facts of the first pod: scope, class, and its reasons joined.
fn facts(text: &str) -> (Scope, WorkloadClass, String) {
    let inventory = Inventory::from_text(text);
    let facts =
        inventory.pods().next().map(|pod| (pod.ai().scope, pod.ai().class, pod.ai().reasons.join("; ")));
    facts.unwrap_or((Scope::No, Class::Other, "no pod found".to_owned()))
}

/// A Deployment named `web` with one container named `c`; `fields` go into the container, `spec` into the pod.
fn deployment(fields: &str, spec: &str) -> String {
    let image = if fields.contains("image:") { "" } else { "image: nginx, " };
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{template: {{spec: {{{spec} \
         containers: [{{name: c, {image}{fields}}}]}}}}}}}}"
    )
}

#[test]
fn what_only_looks_like_ai_is_not_judged() {
    let named = |name: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{template: {{spec: \
             {{containers: [{{name: c, image: nginx}}]}}}}}}}}"
        )
    };
    // Words in names are listed, not judged.
    assert_eq!(facts(&named("llm-docs")).0, Scope::Low);
    assert_eq!(facts(&named("llm-docs")).2, "only a name says llm: llm-docs");
    for text in [
        named("web"),
        named("email"),
        named("trainspotting"),
        named("html-page"),
        deployment("image: 'registry.x/team/array:1'", ""),
        deployment("image: 'ray.example.com/team/web:1'", ""),
        deployment("image: 'team/web:vllm'", ""),
        deployment("image: 'nimlang/nim:2'", ""),
        deployment("image: amazon/aws-xray-daemon", ""),
        deployment("image: kserve.example.com/proxy", ""),
        deployment("command: [chown, '1000', /home/jupyter]", ""),
        deployment("command: [web, --theme, jupyter]", ""),
        deployment("args: [serve, vllm]", ""),
        deployment("env: [{name: HFX, value: a}, {name: XHF_HOME, value: b}]", ""),
        deployment("env: [{name: NVIDIA_VISIBLE_DEVICES, value: void}]", ""),
        deployment("env: [{name: NVIDIA_VISIBLE_DEVICES, value: none}]", ""),
        deployment("env: [{name: CUDA_VISIBLE_DEVICES, value: ''}]", ""),
        deployment("resources: {limits: {nvidia.com/gpu: 0, cpu: 1}}", ""),
        deployment("command: [mpirun, hostname]", ""),
        deployment("", "runtimeClassName: gvisor,"),
        deployment("", "volumes: [{name: d, hostPath: {path: /dev/dri}}],"),
        deployment("", "nodeSelector: {kubernetes.io/os: linux},"),
        "{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {gpu: 'false'}}, spec: {containers: [{name: c, \
         image: nginx}]}}"
            .to_owned(),
        "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: web}, spec: {template: {spec: \
         {containers: [{name: c, image: nginx}]}}}}"
            .to_owned(),
        "{apiVersion: batch.volcano.sh/v1alpha1, kind: Job, metadata: {name: web}, spec: {tasks: [{template: {spec: \
         {containers: [{name: c, image: nginx}]}}}]}}"
            .to_owned(),
        "{apiVersion: example.com/v1, kind: RayCluster, metadata: {name: web}, spec: {containers: [{name: c, image: \
         nginx}]}}"
            .to_owned(),
    ] {
        assert_eq!((facts(&text).0, facts(&text).2), (Scope::No, String::new()), "{text}");
    }
}

#[test]
fn every_kind_of_evidence_counts_and_says_so() {
    for (text, scope, class, reason) in [
        (
            deployment("resources: {limits: {nvidia.com/gpu: 2}}", ""),
            Scope::Certain,
            Class::Other,
            "container c asks for 2 accelerators",
        ),
        (
            deployment("resources: {requests: {amd.com/gpu: 1}}", ""),
            Scope::Certain,
            Class::Other,
            "container c asks for 1 accelerator",
        ),
        (
            deployment(
                "resources: {claims: [{name: g}]}",
                "resourceClaims: [{name: g, resourceClaimName: x}],",
            ),
            Scope::High,
            Class::Other,
            "container c uses a device claim whose class is not in the set",
        ),
        (
            deployment("command: [vllm, serve, a/b]", ""),
            Scope::High,
            Class::Serving,
            "container c runs vllm serve",
        ),
        (
            deployment("command: [python3, -m, vllm.entrypoints.openai.api_server]", ""),
            Scope::High,
            Class::Serving,
            "container c runs vllm.entrypoints.openai.api_server",
        ),
        (
            deployment("command: [sh, -c, 'cd /x && exec torchrun train.py']", ""),
            Scope::High,
            Class::Training,
            "container c runs torchrun",
        ),
        (
            deployment("command: [/opt/conda/bin/jupyter, lab]", ""),
            Scope::High,
            Class::Notebook,
            "container c runs jupyter",
        ),
        (
            deployment("command: [/app/llama-server, -m, x]", ""),
            Scope::High,
            Class::Serving,
            "container c runs llama-server",
        ),
        (
            deployment("command: [mpirun, x], image: 'nvidia/cuda:12'", ""),
            Scope::High,
            Class::Training,
            "container c runs mpirun",
        ),
        (
            deployment("args: [mlflow, server]", ""),
            Scope::High,
            Class::Registry,
            "container c runs mlflow server",
        ),
        (
            deployment("command: [npx, -y, '@modelcontextprotocol/server-filesystem', /]", ""),
            Scope::High,
            Class::Agent,
            "container c runs @modelcontextprotocol/server-filesystem",
        ),
        (
            deployment("command: [uvx, mcp-server-git]", ""),
            Scope::High,
            Class::Agent,
            "container c runs mcp-server-git",
        ),
        (deployment("", "runtimeClassName: nvidia,"), Scope::High, Class::Other, "runtimeClassName nvidia"),
        (
            deployment("", "volumes: [{name: d, hostPath: {path: /dev/nvidia0}}],"),
            Scope::High,
            Class::Other,
            "mounts the device file /dev/nvidia0",
        ),
        (
            deployment("env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]", ""),
            Scope::High,
            Class::Other,
            "variable NVIDIA_VISIBLE_DEVICES is all",
        ),
        (
            deployment("image: 'docker.io/vllm/vllm-openai:v1'", ""),
            Scope::Medium,
            Class::Serving,
            "image vllm/vllm-openai names vllm",
        ),
        (
            deployment("image: ghcr.io/huggingface/text-generation-inference:3", ""),
            Scope::Medium,
            Class::Serving,
            "image huggingface/text-generation-inference names text-generation",
        ),
        (
            deployment("image: nvcr.io/nim/meta/x:1", ""),
            Scope::Medium,
            Class::Serving,
            "image nim/meta/x names NVIDIA NIM",
        ),
        (
            deployment("image: qdrant/qdrant", ""),
            Scope::Medium,
            Class::VectorStore,
            "image qdrant/qdrant names qdrant",
        ),
        (
            deployment("image: team/github-mcp:1", ""),
            Scope::Medium,
            Class::Agent,
            "image team/github-mcp names mcp",
        ),
        (deployment("image: x/langflow", ""), Scope::Medium, Class::Agent, "image x/langflow names langflow"),
        (
            deployment("env: [{name: HF_HOME, value: /x}]", ""),
            Scope::Medium,
            Class::Other,
            "variable HF_HOME configures a model library",
        ),
        (
            deployment("env: [{name: CUDA_VISIBLE_DEVICES, valueFrom: {fieldRef: {fieldPath: x}}}]", ""),
            Scope::Medium,
            Class::Other,
            "variable CUDA_VISIBLE_DEVICES is set from elsewhere",
        ),
        (deployment("args: [--model, a/b]", ""), Scope::Medium, Class::Other, "loads model a/b"),
        (
            deployment("", "tolerations: [{key: nvidia.com/gpu, operator: Exists}],"),
            Scope::Low,
            Class::Other,
            "only its node placement speaks of GPUs: nvidia.com/gpu",
        ),
    ] {
        let (found, what, reasons) = facts(&text);
        assert_eq!((found, what), (scope, class), "{text}: {reasons}");
        assert!(reasons.contains(reason), "{text}: {reasons}");
    }
}

#[test]
fn reasons_come_strongest_first() {
    let text = deployment(
        "image: vllm/vllm-openai, args: [vllm, serve, a/b], resources: {limits: {nvidia.com/gpu: 1}}",
        "",
    );
    assert_eq!(
        facts(&text).2,
        "container c asks for 1 accelerator; container c runs vllm serve; image vllm/vllm-openai names vllm; loads \
         model a/b"
    );
}

#[test]
fn kinds_made_for_ai_are_certain_by_group_and_kind() {
    let custom = |version: &str, kind: &str, path: &str| {
        let (open, close) = (path.replace('.', ": {"), "}".repeat(path.matches('.').count()));
        format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: web}}, {open}: {{spec: {{containers: [{{name: c, \
             image: nginx}}]}}}}{close}}}"
        )
    };
    for (version, kind, path, class) in [
        ("kubeflow.org/v1", "PyTorchJob", "spec.pytorchReplicaSpecs.Worker.template", Class::Training),
        ("kubeflow.org/v1", "Notebook", "spec.template", Class::Notebook),
        ("ray.io/v1", "RayCluster", "spec.headGroupSpec.template", Class::Training),
        ("ray.io/v1", "RayService", "spec.rayClusterConfig.headGroupSpec.template", Class::Serving),
        ("agents.x-k8s.io/v1alpha1", "Sandbox", "spec.podTemplate", Class::Agent),
        ("serving.kserve.io/v1alpha1", "LLMInferenceService", "spec.router.scheduler.other", Class::Serving),
        ("nvidia.com/v1alpha1", "DynamoGraphDeployment", "spec.services.x.extra", Class::Serving),
        ("kaito.sh/v1beta1", "Workspace", "inference.template", Class::Other),
    ] {
        let (scope, found, reasons) = facts(&custom(version, kind, path));
        assert_eq!((scope, found), (Scope::Certain, class), "{kind}: {reasons}");
        let group = version.split('/').next().unwrap();
        assert_eq!(reasons, format!("part of a {kind} ({group})"));
    }
    let pipeline = custom("argoproj.io/v1alpha1", "Workflow", "spec.x");
    assert_eq!((facts(&pipeline).0, facts(&pipeline).1), (Scope::No, Class::Pipeline));
}

#[test]
fn a_pod_under_an_ai_kind_inherits_it() {
    let inside = "
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: tune}
spec:
  trialTemplate:
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec: {template: {spec: {containers: [{name: c, image: nginx}]}}}
";
    assert_eq!(
        facts(inside),
        (Scope::Certain, WorkloadClass::Training, "part of a Experiment (kubeflow.org)".into())
    );
    let made = "
apiVersion: v1
kind: Pod
metadata: {name: p, uid: u, ownerReferences: [{apiVersion: ray.io/v1, kind: RayCluster, name: r}]}
spec: {containers: [{name: c, image: nginx}]}
";
    assert_eq!(
        facts(made),
        (Scope::Certain, WorkloadClass::Training, "made by a RayCluster (ray.io)".into())
    );
}

#[test]
fn a_runtime_class_is_judged_by_its_handler_when_it_is_given() {
    let pod = deployment("", "runtimeClassName: fast,");
    let class = |handler: &str| {
        format!(
            "{pod}\n---\n{{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {{name: fast}}, handler: {handler}}}"
        )
    };
    assert_eq!(facts(&class("nvidia-cdi")).0, Scope::High);
    assert_eq!(facts(&class("runsc")).0, Scope::No);
    assert_eq!(facts(&pod).0, Scope::No);
}

#[test]
fn infrastructure_takes_two_signs_one_of_which_names_the_software() {
    let daemon = |namespace: &str, kind: &str, image: &str, labels: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: {kind}, metadata: {{name: d, namespace: {namespace}, labels: {{{labels}}}}}, \
             spec: {{template: {{spec: {{containers: [{{name: c, image: {image}}}]}}}}}}}}"
        )
    };
    let plugin = "nvcr.io/nvidia/k8s-device-plugin:v1";
    for (text, expected) in [
        (daemon("x", "DaemonSet", plugin, ""), true),
        (daemon("kube-system", "Deployment", plugin, ""), true),
        (daemon("nvidia-system", "Deployment", plugin, ""), true),
        (daemon("x", "DaemonSet", "i", "app.kubernetes.io/name: nvidia-device-plugin"), true),
        (daemon("x", "DaemonSet", "i", "helm.sh/chart: gpu-operator-v25.3.0"), true),
        (daemon("x", "DaemonSet", "nvcr.io/nvidia/driver:570", ""), true),
        (daemon("x", "Deployment", plugin, ""), false),
        (daemon("x", "Deployment", "i", "app.kubernetes.io/name: nvidia-device-plugin"), false),
        // A workload that borrows the names: beside a known image, by two labels, by taking what plugins hand out.
        (daemon("x", "DaemonSet", &format!("{plugin}}}, {{name: o, image: evil"), ""), false),
        (daemon("nvidia-x", "DaemonSet", "vllm/vllm-openai", "app.kubernetes.io/name: dcgm-exporter"), false),
        (daemon("x", "DaemonSet", &format!("{plugin}, args: [vllm, serve, m]"), ""), false),
        (daemon("x", "DaemonSet", &format!("{plugin}, resources: {{limits: {{nvidia.com/gpu: 1}}}}"), ""), false),
        // Both of these hold for any agent that anyone puts there.
        (daemon("kube-system", "DaemonSet", "i", ""), false),
        (daemon("x", "DaemonSet", "team/driver", ""), false),
        (daemon("x", "DaemonSet", "i", "helm.sh/chart: gpu-operator-lookalike-1.0"), false),
        (
            "{apiVersion: nvidia.com/v1, kind: ClusterPolicy, metadata: {name: c}, spec: {driver: {image: driver, \
             version: '1'}}}"
                .to_owned(),
            true,
        ),
    ] {
        let class = facts(&text).1;
        assert_eq!(class == WorkloadClass::AcceleratorInfra, expected, "{text}: {class:?}");
    }
}
