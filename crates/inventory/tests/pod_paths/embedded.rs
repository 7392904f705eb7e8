//! Objects inside objects, lists and texts: each is found once, with its owner and its place.

use ringfence_inventory::Inventory;

use crate::JOB;
use crate::line;
use crate::lines;

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
