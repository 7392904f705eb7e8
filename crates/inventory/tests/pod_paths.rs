//! One fixture a row of the kind table (`tests/pods/*.yaml`): the pod is found where the row says, with its labels,
//! containers, replicas and place. Then the kinds nobody knows, objects inside objects, and what must not match.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]

use std::fs;
use std::path::Path;

use ringfence_finding::FoundBy;
use ringfence_finding::Reason;
use ringfence_inventory::Field;
use ringfence_inventory::Inventory;
use ringfence_inventory::Need;
use ringfence_inventory::Pod;

fn by(pod: Pod<'_>) -> &'static str {
    match pod.found_by() {
        FoundBy::Core => "core",
        FoundBy::Table => "table",
        FoundBy::ContainerLike => "container-like",
        FoundBy::CrdSchema => "schema",
        FoundBy::Structural => "structural",
    }
}

/// `path | by | containers | label row or - | replicas`, as the fixtures' comments have it.
fn line(pod: Pod<'_>) -> String {
    let containers: Vec<&str> = pod.containers().map(ringfence_inventory::Container::name).collect();
    format!(
        "{} | {} | {} | {} | {}",
        pod.object().field(pod.body()),
        by(pod),
        containers.join(","),
        pod.label("row").unwrap_or("-"),
        pod.replicas()
    )
}

fn lines(text: &str) -> Vec<String> {
    Inventory::from_text(text).pods().map(line).collect()
}

#[test]
fn every_row_of_the_kind_table_finds_its_pods() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pods");
    let mut documents = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for document in text.split("---\n") {
            documents += 1;
            let expected: Vec<&str> =
                document.lines().filter_map(|line| line.strip_prefix("# expect: ")).collect();
            assert!(!expected.is_empty(), "{}: a document expects nothing\n{document}", path.display());
            let inventory = Inventory::from_text(document);
            let found: Vec<String> = inventory.pods().map(line).collect();
            assert_eq!(found, expected, "{}\n{document}", path.display());
            assert!(
                !inventory.coverage.is_incomplete(),
                "{}: {:?}",
                path.display(),
                inventory.coverage.blind
            );
            for pod in inventory.pods() {
                places(document, pod);
            }
        }
    }
    assert!(documents >= 50, "{documents} documents");
}

/// Values and places agree: the text at each place is the value.
fn places(text: &str, pod: Pod<'_>) {
    let span = |value| {
        let location = pod.object().location(value);
        (location.start..location.end, location.line as usize, location.column as usize)
    };
    let (body, ..) = span(pod.body());
    let mut privileged = 0;
    for container in pod.containers() {
        let value = container.security("privileged").expect("every fixture container is privileged");
        let (range, line, column) = span(value);
        assert_eq!(&text[range.clone()], "true");
        let written = text.lines().nth(line - 1).unwrap();
        assert_eq!(&written[column - 1..column + 3], "true", "{written}");
        if let Some(name) = container.get("name") {
            let (name_range, ..) = span(name);
            assert_eq!(&text[name_range], container.name());
        }
        if pod.containers().count() == 1 {
            assert!(body.start <= range.start && range.end <= body.end, "{body:?} does not hold {range:?}");
        }
        privileged += 1;
    }
    assert!(privileged > 0, "{} without containers", pod.object().kind);
    assert_eq!(text[..body.start].matches('\n').count() + 1, span(pod.body()).1);
}

#[test]
fn what_an_operator_builds_cannot_say_pod_fields() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pods");
    let (mut built, mut said) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for pod in Inventory::from_text(&text).pods() {
            let part = pod.found_by() == FoundBy::ContainerLike;
            // A TrainJob's patches lie over the runtime's templates: what they leave out is said there.
            let patch = &*pod.object().kind == "TrainJob";
            assert_eq!(pod.built_by_operator(), part || patch, "{pod:?}");
            match pod.field("hostPID") {
                Field::CannotSay => {
                    assert!(part || patch, "{pod:?}");
                    built += 1;
                }
                Field::Unset => {
                    assert!(!part && !patch, "{pod:?}");
                    said += 1;
                }
                Field::Set(value) => assert!(value.is_scalar(), "no fixture sets hostPID"),
            }
        }
    }
    assert!(built >= 20 && said >= 40, "{built} {said}");
}

#[test]
fn the_same_kind_of_another_group_is_no_row() {
    for (version, kind) in [
        ("batch.example.com/v1", "Job"),
        ("example.com/v1", "Deployment"),
        ("v1", "Deployment"),
        ("apps/v1", "Job"),
        ("example.com/v1", "RayCluster"),
        ("kubeflow.org/v1", "RayCluster"),
        ("ray.io/v1", "PyTorchJob"),
        ("serving.knative.dev/v1", "InferenceService"),
        ("serving.kserve.io/v1", "Service"),
    ] {
        let text = format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: x}}, spec: {{template: {{spec: {{containers: \
             [{{name: c, image: i}}]}}}}}}}}"
        );
        assert_eq!(lines(&text), ["spec.template.spec | structural | c | - | 1"], "{version} {kind}");
    }
    // The core Service is no Knative Service.
    let text = "{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{port: 80}]}}";
    assert_eq!(lines(text), [""; 0]);
}

#[test]
fn kinds_nobody_knows_are_searched_by_shape() {
    let invented = "
apiVersion: magic.example.com/v1
kind: WizardFleet
metadata: {name: w}
spec:
  replicas: 3
  towers:
    - name: north
      staff:
        metadata: {labels: {row: staff}}
        spec:
          containers: [{name: wizard, image: i}]
    - name: south
      crew:
        containers: [{name: a, image: i}, {name: b, image: i}]
        initContainers: [{name: z, image: i}]
status:
  copy:
    containers: [{name: ghost, image: i}]
";
    assert_eq!(
        lines(invented),
        [
            "spec.towers[name=north].staff.spec | structural | wizard | staff | 3",
            "spec.towers[name=south].crew | structural | z,a,b | - | 3",
        ]
    );
    for fields in [
        "spec: {containers: []}",
        "spec: {containers: [{name: a}]}",
        "spec: {containers: [{image: a}]}",
        "spec: {containers: [a, b]}",
        "spec: {containers: {name: a, image: b}}",
        "status: {containers: [{name: a, image: b}]}",
        "metadata: {containers: [{name: a, image: b}]}",
    ] {
        let text = format!("{{apiVersion: magic.example.com/v1, kind: Wizard, {fields}}}");
        assert_eq!(lines(&text), [""; 0], "{fields}");
    }
    // Operators fill in an image of their own, and init containers may be all that a kind adds.
    for fields in [
        "spec: {containers: [{name: a, image: b}, {name: c}]}",
        "spec: {containers: [{name: 1, image: 2}]}",
        "spec: {initContainers: [{name: a, image: b}]}",
    ] {
        let text = format!("{{apiVersion: magic.example.com/v1, kind: Wizard, {fields}}}");
        assert_eq!(lines(&text).len(), 1, "{fields}");
    }
    let deep = |levels: usize| {
        let (open, close) = ("x: {".repeat(levels), "}".repeat(levels));
        format!(
            "{{apiVersion: m.example.com/v1, kind: W, spec: {{{open}containers: [{{name: a, image: b}}]{close}}}}}"
        )
    };
    assert_eq!(lines(&deep(20)).len(), 1);
    assert_eq!(lines(&deep(40)).len(), 0, "a shape 40 levels down is no pod");
}

#[test]
fn kinds_that_hold_the_shape_without_starting_it_are_passed_over() {
    for (version, kind) in [("v1", "Event"), ("metrics.k8s.io/v1beta1", "PodMetrics")] {
        let text =
            format!("{{apiVersion: {version}, kind: {kind}, spec: {{containers: [{{name: a, image: b}}]}}}}");
        assert_eq!(lines(&text), [""; 0], "{kind}");
    }
    let schema = "{\"apiVersion\": \"apiextensions.k8s.io/v1\", \"kind\": \"CustomResourceDefinition\", \"spec\": \
                  {\"example\": {\"containers\": [{\"name\": \"a\", \"image\": \"b\"}]}}}";
    assert_eq!(lines(schema), [""; 0]);
}

/// A Job as an embedded object, in flow style.
const JOB: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: inner}, spec: {parallelism: 2, template: \
                   {metadata: {labels: {row: inner}}, spec: {containers: [{name: c, image: i}]}}}}";

#[test]
fn objects_inside_objects_are_objects() {
    for (outer, fields, path) in [
        ("kro.run/v1alpha1 ResourceGraphDefinition", "spec: {resources: [{id: x, template: JOB}]}", ""),
        ("workload.codeflare.dev/v1beta2 AppWrapper", "spec: {components: [{template: JOB}]}", ""),
        ("work.open-cluster-management.io/v1 ManifestWork", "spec: {workload: {manifests: [JOB]}}", ""),
        ("kubernetes.crossplane.io/v1alpha2 Object", "spec: {forProvider: {manifest: JOB}}", ""),
        ("template.openshift.io/v1 Template", "objects: [JOB]", ""),
        ("kubeflow.org/v1beta1 Experiment", "spec: {trialTemplate: {trialSpec: JOB}}", ""),
        ("magic.example.com/v1 Wizard", "spec: {spell: {nested: [{deep: JOB}]}}", ""),
    ] {
        let (version, kind) = outer.split_once(' ').unwrap();
        let text = format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: outer, namespace: n}}, {}}}",
            fields.replace("JOB", JOB)
        );
        let inventory = Inventory::from_text(&text);
        let found: Vec<String> = inventory.pods().map(line).collect();
        assert_eq!(found, [format!("{path}spec.template.spec | core | c | inner | 2")], "{outer}");
        let pod = inventory.pods().next().unwrap();
        assert_eq!((&*pod.object().kind, &*pod.root().kind), ("Job", kind));
        let cluster_scoped = matches!(kind, "ResourceGraphDefinition" | "Object");
        assert_eq!(pod.namespace(), (!cluster_scoped).then_some("n"), "{outer}");
        let owner = inventory.reference(pod.object()).owner.expect("an embedded object has an owner");
        assert_eq!((owner.kind.as_str(), owner.name.as_str()), (kind, "outer"));
        let location = pod.object().location(pod.containers().next().unwrap().value);
        assert_eq!(&text[location.start..location.end], "{name: c, image: i}", "{outer}");
    }
}

#[test]
fn lists_and_texts_hold_objects_too() {
    let list = format!("{{apiVersion: v1, kind: List, items: [{JOB}, {JOB}]}}");
    assert_eq!(lines(&list).len(), 2);
    let items = "{apiVersion: v1, kind: PodList, items: [{metadata: {name: p}, spec: {containers: [{name: c, image: \
                 i}]}}]}";
    assert_eq!(lines(items), ["spec | core | c | - | 1"]);
    let config = "
apiVersion: v1
kind: ConfigMap
metadata: {name: holder, namespace: n}
data:
  note: apiVersion and kind are words here
  pod.yaml: |
    apiVersion: v1
    kind: Pod
    metadata: {name: inner}
    spec:
      containers: [{name: c, image: i}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: second}
    spec:
      containers: [{name: d, image: i}]
";
    let inventory = Inventory::from_text(config);
    assert_eq!(
        inventory.pods().map(line).collect::<Vec<_>>(),
        ["spec | core | c | - | 1", "spec | core | d | - | 1"]
    );
    let pod = inventory.pods().next().unwrap();
    assert_eq!(&*pod.root().kind, "ConfigMap");
    let location = pod.object().location(pod.body());
    assert!(config[location.start..].starts_with("apiVersion: v1\n    kind: Pod\n"), "{location:?}");
    assert_eq!((location.line, location.column), (8, 5));
    let argo = "
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: w-}
spec:
  templates:
    - name: t
      resource:
        action: create
        manifest: |
          apiVersion: batch/v1
          kind: Job
          metadata: {generateName: '{{workflow.name}}-'}
          spec:
            template:
              spec:
                containers: [{name: c, image: i}]
";
    assert_eq!(lines(argo), ["spec.template.spec | core | c | - | 1"]);
}

#[test]
fn items_are_opened_whatever_the_kind_is_called() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}";
    for kind in [
        "v1, kind: ConfigMap",
        "v1, kind: Secret",
        "x.io/v1, kind: Odd",
        "apiextensions.k8s.io/v1, kind: CustomResourceDefinition",
    ] {
        let text = format!("apiVersion: {}\nitems: [{pod}]\n", kind.replace(", ", "\n"));
        let inventory = Inventory::from_text(&text);
        let pods: Vec<_> = inventory.pods().map(|pod| pod.object().name.to_string()).collect();
        assert_eq!(pods, ["p"], "{kind}");
    }
}

#[test]
fn embedded_shapes_are_not_counted_twice_nor_inside_status() {
    let text = format!(
        "{{apiVersion: magic.example.com/v1, kind: Wizard, metadata: {{name: o}}, spec: {{a: {JOB}}}, status: {{seen: \
         {JOB}}}}}"
    );
    assert_eq!(lines(&text), ["spec.template.spec | core | c | inner | 2"]);
    let reference = "{apiVersion: x.example.com/v1, kind: W, spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, \
                     name: d}}}";
    assert_eq!(Inventory::from_text(reference).objects().len(), 1);
}

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

#[test]
fn a_field_that_a_known_kind_gained_is_found_by_its_shape() {
    let inventory = Inventory::from_text(
        "apiVersion: ray.io/v9
kind: RayCluster
metadata: {name: r, namespace: ml}
spec:
  headGroupSpec:
    template: {spec: {containers: [{name: head, image: i}]}}
  sideGroupSpec:
    template: {spec: {containers: [{name: side, image: i}]}}
",
    );
    let found: Vec<_> = inventory
        .pods()
        .map(|pod| (pod.containers().next().unwrap().name().to_owned(), pod.found_by()))
        .collect();
    assert_eq!(found, [("head".to_owned(), FoundBy::Table), ("side".to_owned(), FoundBy::Structural)]);
}
