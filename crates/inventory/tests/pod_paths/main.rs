//! One fixture a row of the kind table (`tests/pods/*.yaml`): the pod is found where the row says, with its labels,
//! containers, replicas and place. Then the kinds nobody knows, and what must not match.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]

mod embedded;
mod joined;

use std::fs;
use std::path::Path;

use ringfence_finding::FoundBy;
use ringfence_inventory::Field;
use ringfence_inventory::Inventory;
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

/// A Job as an embedded object, in flow style.
const JOB: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: inner}, spec: {parallelism: 2, template: \
                   {metadata: {labels: {row: inner}}, spec: {containers: [{name: c, image: i}]}}}}";

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
