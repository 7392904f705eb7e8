//! What pods take from other objects: claims, bases, their workflow, and what changes them on their way.

use ringfence_finding::Reason;
use ringfence_inventory::Inventory;
use ringfence_inventory::Need;

use crate::JOB;

#[test]
fn claims_lead_to_accelerators_in_every_api_version() {
    let pod = |claim: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: n}}, spec: {{resourceClaims: [{{name: g, \
             {claim}}}], containers: [{{name: c, image: i, resources: {{claims: [{{name: g}}]}}}}]}}}}\n---\n"
        )
    };
    let class = "---\n{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: fast}, spec: {selectors: \
                 [{cel: {expression: \"device.driver == 'gpu.nvidia.com'\"}}]}}\n";
    let network = "---\n{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: net}, spec: {selectors: \
                   [{cel: {expression: \"device.driver == 'dra.net'\"}}]}}\n";
    let claim = |version: &str, request: &str| {
        format!(
            "{{apiVersion: resource.k8s.io/{version}, kind: ResourceClaim, metadata: {{name: x, namespace: n}}, spec: \
             {{devices: {{requests: [{request}]}}}}}}\n"
        )
    };
    let by_claim = pod("resourceClaimName: x");
    let template = "{apiVersion: resource.k8s.io/v1, kind: ResourceClaimTemplate, metadata: {name: x, namespace: n}, \
                    spec: {spec: {devices: {requests: [{name: r, exactly: {deviceClassName: gpu.nvidia.com, count: \
                    4}}]}}}}\n";
    for (text, need, count) in [
        (
            format!("{by_claim}{}", claim("v1", "{name: r, exactly: {deviceClassName: gpu.nvidia.com}}")),
            Need::Accelerator,
            1,
        ),
        (
            format!("{by_claim}{}", claim("v1beta1", "{name: r, deviceClassName: gpu.nvidia.com, count: 2}")),
            Need::Accelerator,
            2,
        ),
        (
            format!(
                "{by_claim}{}",
                claim(
                    "v1beta2",
                    "{name: r, firstAvailable: [{name: s, deviceClassName: mig.nvidia.com, count: 3}]}"
                )
            ),
            Need::Accelerator,
            3,
        ),
        (format!("{}{template}", pod("resourceClaimTemplateName: x")), Need::Accelerator, 4),
        (
            format!("{by_claim}{}{class}", claim("v1", "{name: r, exactly: {deviceClassName: fast}}")),
            Need::Accelerator,
            1,
        ),
        (
            format!("{by_claim}{}{network}", claim("v1", "{name: r, exactly: {deviceClassName: net}}")),
            Need::Nothing,
            0,
        ),
        (
            format!("{by_claim}{}", claim("v1", "{name: r, exactly: {deviceClassName: fast}}")),
            Need::UnresolvedClaim,
            0,
        ),
        (by_claim.clone(), Need::UnresolvedClaim, 0),
        (
            format!("{by_claim}{}", claim("v1", "{name: r, exactly: {deviceClassName: gpu.nvidia.com}}"))
                .replace("name: x, namespace: n", "name: x, namespace: other"),
            Need::UnresolvedClaim,
            0,
        ),
    ] {
        let inventory = Inventory::from_text(&text);
        let container = inventory.pods().next().unwrap().containers().next().unwrap();
        assert_eq!((container.accelerator_need(), container.accelerator_count()), (need, count), "{text}");
    }
}

#[test]
fn bases_that_are_not_in_the_set_are_named() {
    let job = "{apiVersion: trainer.kubeflow.org/v1alpha1, kind: TrainJob, metadata: {name: t, namespace: n}, spec: \
               {runtimeRef: {name: torch}, trainer: {image: i}}}";
    let own = job.replace("name: torch", "name: torch, kind: TrainingRuntime");
    let runtime = |kind: &str, namespace: &str| {
        format!(
            "---\n{{apiVersion: trainer.kubeflow.org/v1alpha1, kind: {kind}, metadata: {{name: torch{namespace}}}, spec: {{}}}}\n"
        )
    };
    let service = "{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {name: t, namespace: n}, \
                   spec: {predictor: {model: {runtime: torch, storageUri: 'pvc://a/b'}}}}";
    let llm = "{apiVersion: serving.kserve.io/v1alpha1, kind: LLMInferenceService, metadata: {name: t, namespace: n}, \
               spec: {baseRefs: [{name: torch}], template: {containers: [{name: c, image: i}]}}}";
    let kserve = |kind: &str| {
        format!(
            "---\n{{apiVersion: serving.kserve.io/v1alpha1, kind: {kind}, metadata: {{name: torch, namespace: n}}, spec: {{}}}}\n"
        )
    };
    for (text, base, expected) in [
        (job, String::new(), Some("ClusterTrainingRuntime torch")),
        (job, runtime("ClusterTrainingRuntime", ""), None),
        (job, runtime("TrainingRuntime", ", namespace: n"), Some("ClusterTrainingRuntime torch")),
        (&own, runtime("TrainingRuntime", ", namespace: n"), None),
        (&own, runtime("TrainingRuntime", ", namespace: other"), Some("TrainingRuntime torch")),
        (service, String::new(), Some("ServingRuntime torch")),
        (service, kserve("ServingRuntime"), None),
        (service, kserve("ClusterServingRuntime"), None),
        (llm, String::new(), Some("LLMInferenceServiceConfig torch")),
        (llm, kserve("LLMInferenceServiceConfig"), None),
        (JOB, String::new(), None),
    ] {
        let text = format!("{text}\n{base}");
        let inventory = Inventory::from_text(&text);
        let blind: Vec<_> =
            inventory.coverage.blind.iter().filter(|blind| blind.reason == Reason::UnresolvedJoin).collect();
        let named = blind.iter().filter_map(|blind| blind.cause.split(" is not in the set").next());
        assert_eq!(named.collect::<Vec<_>>(), Vec::from_iter(expected), "{text}");
        if let Some(location) = blind.first().and_then(|blind| blind.location.as_ref()) {
            assert_eq!(&text[location.start..location.end], "torch");
        }
        assert!(!inventory.coverage.is_incomplete());
    }
}

#[test]
fn argo_pods_inherit_the_fields_of_their_workflow() {
    let text = "
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: w-}
spec:
  hostNetwork: true
  serviceAccountName: outer
  volumes: [{name: a, hostPath: {path: /}}]
  templates:
    - name: t
      serviceAccountName: inner
      volumes: [{name: b, emptyDir: {}}]
      container: {image: i}
";
    let inventory = Inventory::from_text(text);
    let pod = inventory.pods().next().unwrap();
    assert_eq!(pod.get("hostNetwork").and_then(ringfence_inventory::yaml::Value::as_bool), Some(true));
    assert_eq!(
        pod.get("serviceAccountName").and_then(ringfence_inventory::yaml::Value::as_str),
        Some("inner")
    );
    assert_eq!(pod.volumes().filter_map(|volume| volume.str_at("name")).collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn what_changes_pods_on_their_way_is_an_assumption() {
    let text = "
{apiVersion: kubeflow.org/v1alpha1, kind: PodDefault, metadata: {name: d, namespace: n}, spec: {}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: m}}
---
{apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {name: w, namespace: n}, spec: {podSpecPatch: '{{workflow.parameters.patch}}', templates: [{name: a, container: {image: i}}, {name: b, container: {image: i}}]}}
";
    let inventory = Inventory::from_text(text);
    let blind = inventory.coverage.blind.iter().filter(|blind| blind.reason == Reason::Assumption);
    let mut words: Vec<&str> = blind.map(|blind| blind.cause.as_str()).collect();
    words.retain(|words| words.contains("not applied"));
    assert_eq!(
        words,
        [
            "MutatingWebhookConfiguration m changes other pods and is not applied to them",
            "PodDefault n/d changes other pods and is not applied to them",
            "Workflow n/w has a podSpecPatch that cannot be read, so it is not applied to its pods",
        ]
    );
}
