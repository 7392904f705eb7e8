//! Findings -> dollars: which GPUs count as exposed, each once, at the price of their model.
#![expect(clippy::unwrap_used, reason = "a wrong assumption must end the test")]

use ringfence_controls::PriceTable;
use ringfence_controls::assess;
use ringfence_controls::catalogue;
use ringfence_controls::judge;
use ringfence_finding::Assessment;
use ringfence_finding::Door;
use ringfence_inventory::Inventory;

fn assessed(documents: &[String]) -> Assessment {
    let prices = PriceTable::parse(
        "date: 2026-05-31\ntable: [{accelerator: nvidia-h100, match: [h100], perGpuHour: 4}]",
    );
    let inventory = Inventory::from_text(&documents.join("\n---\n"));
    assess(&inventory, &judge(&inventory, &catalogue()), &prices.unwrap())
}

/// Exposed GPUs by model, all GPUs, dollars per hour.
fn exposed(documents: &[String]) -> (Vec<(Option<String>, u64)>, u64, f64) {
    let exposure = assessed(documents).exposure;
    let rows = exposure.exposed.into_iter().map(|row| (row.model, row.gpus)).collect();
    (rows, exposure.total_gpus, exposure.dollars_per_hour)
}

fn node(name: &str, model: &str, gpus: u32) -> String {
    format!(
        "{{apiVersion: v1, kind: Node, metadata: {{name: {name}, labels: {{nvidia.com/gpu.product: {model}}}}}, \
         spec: {{taints: [{{key: nvidia.com/gpu, effect: NoSchedule}}]}}, status: {{capacity: {{nvidia.com/gpu: {gpus}}}}}}}"
    )
}

/// A Deployment of two pods with three GPUs each.
fn deployment(name: &str, security: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: ml}}, spec: {{replicas: 2, \
         template: {{metadata: {{labels: {{app: x}}}}, spec: {{containers: [{{name: c, image: i, securityContext: \
         {{{security}}}, resources: {{limits: {{nvidia.com/gpu: 3}}}}}}]}}}}}}}}"
    )
}

/// Closes RF-NET-001 for the namespace, so that what is open is open by one control.
fn deny() -> String {
    "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: ml}, spec: {podSelector: \
     {}, policyTypes: [Ingress, Egress]}}"
        .to_owned()
}

fn h100(gpus: u64) -> Vec<(Option<String>, u64)> {
    vec![(Some("nvidia-h100".to_owned()), gpus)]
}

#[test]
fn gpus_are_replicas_times_those_of_a_pod_and_only_behind_an_open_door() {
    let nodes = [node("a", "NVIDIA-H100", 8), node("b", "NVIDIA-H100", 8)];
    let open = deployment("open", "privileged: true");
    let closed = deployment("closed", "");
    let set = [&nodes[..], &[deny(), open, closed.clone()]].concat();
    assert_eq!(exposed(&set), (h100(6), 16, 24.0));
    let set = [&nodes[..], &[deny(), closed]].concat();
    assert_eq!(exposed(&set), (Vec::new(), 16, 0.0));
    assert_eq!(assessed(&set).door, Door::Closed);
}

#[test]
fn a_workload_behind_two_doors_counts_once_and_no_more_than_there_are_gpus() {
    // Without the policy it fails two controls.
    let open = deployment("open", "privileged: true");
    assert_eq!(exposed(&[node("a", "NVIDIA-H100", 8), open.clone()]), (h100(6), 8, 24.0));
    let both = [node("a", "NVIDIA-H100", 8), open, deployment("other", "privileged: true")];
    assert_eq!(exposed(&both), (h100(8), 8, 32.0), "twelve are wanted, eight are there");
}

#[test]
fn a_medium_finding_exposes_nothing() {
    let endless = "{apiVersion: batch/v1, kind: Job, metadata: {name: j, namespace: ml}, spec: {template: {spec: \
                   {containers: [{name: c, image: i, resources: {limits: {nvidia.com/gpu: 1}}}]}}}}";
    let set = [node("a", "NVIDIA-H100", 8), deny(), endless.to_owned()];
    let assessment = assessed(&set);
    assert!(assessment.families.iter().any(|family| family.fail > 0));
    assert_eq!((assessment.door, assessment.exposure.gpus()), (Door::Closed, 0));
}

#[test]
fn a_workload_that_takes_gpus_without_asking_exposes_the_nodes_it_can_reach() {
    let thief = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: web}, spec: {nodeSelector: \
                 {nvidia.com/gpu.product: NVIDIA-H100}, tolerations: [{key: nvidia.com/gpu, operator: Exists}], containers: [{name: c, image: nginx, env: [{name: \
                 NVIDIA_VISIBLE_DEVICES, value: all}]}]}}";
    let set = [node("a", "NVIDIA-H100", 8), node("b", "Odd-GPU", 4), thief.to_owned()];
    assert_eq!(exposed(&set[..]), (h100(8), 12, 32.0));
}

#[test]
fn without_a_price_gpus_are_counted_and_not_valued() {
    let set = [node("a", "Odd-GPU", 8), deny(), deployment("open", "privileged: true")];
    let exposure = assessed(&set).exposure;
    assert_eq!((exposure.gpus(), exposure.unpriced(), exposure.dollars_per_hour), (6, 6, 0.0));
    let exposure = assessed(&set[1..]).exposure;
    assert_eq!((exposure.unpriced(), exposure.total_gpus), (6, 6), "without nodes, those that are asked for");
}

#[test]
fn gpus_of_a_runtime_are_those_of_the_services_built_on_it() {
    let runtime = "{apiVersion: serving.kserve.io/v1alpha1, kind: ServingRuntime, metadata: {name: r, namespace: ml}, \
                   spec: {containers: [{name: c, image: i, args: [--trust-remote-code], resources: {limits: \
                   {nvidia.com/gpu: 1}}}]}}";
    let service = "{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {name: s, namespace: ml}, \
                   spec: {predictor: {minReplicas: 1, model: {runtime: r, storageUri: 'hf://a/b', resources: {limits: \
                   {nvidia.com/gpu: 2}}}}}}";
    let nodes = node("a", "NVIDIA-H100", 8);
    assert_eq!(exposed(&[nodes.clone(), deny(), runtime.to_owned()]).0, h100(1));
    assert_eq!(exposed(&[nodes, deny(), runtime.to_owned(), service.to_owned()]).0, h100(2));
}
