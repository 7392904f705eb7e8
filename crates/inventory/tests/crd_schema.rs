//! Definitions among the files: pods of kinds nobody knows are found where their schema says, and only then is a
//! definition read.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use ringfence_finding::FoundBy;
use ringfence_finding::Reason;
use ringfence_inventory::Input;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::Source;
use ringfence_inventory::collect;

/// A kind with a PodSpec at an odd path and one container-like part, in the form in which generators write it.
const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    controller-gen.kubebuilder.io/version: v0.17.2
  name: wizardfleets.magic.example.com
spec:
  group: magic.example.com
  names: {kind: WizardFleet, listKind: WizardFleetList, plural: wizardfleets, singular: wizardfleet}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          apiVersion: {type: string}
          kind: {type: string}
          metadata: {type: object}
          spec:
            type: object
            properties:
              towers:
                type: object
                additionalProperties:
                  type: object
                  properties:
                    staff:
                      type: object
                      properties:
                        metadata: {type: object, x-kubernetes-preserve-unknown-fields: true}
                        spec:
                          type: object
                          properties:
                            containers:
                              type: array
                              items:
                                type: object
                                properties:
                                  name: {type: string}
                                  image: {type: string}
                                  args: {type: array, items: {type: string}}
                                  securityContext: {type: object, x-kubernetes-preserve-unknown-fields: true}
              familiar:
                type: object
                properties:
                  image: {type: string}
                  env: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
                  resources: {type: object, x-kubernetes-preserve-unknown-fields: true}
";

/// One of it. No container of its PodSpec has a name: no shape tells.
const FLEET: &str = "apiVersion: magic.example.com/v1
kind: WizardFleet
metadata: {name: w, namespace: ml}
spec:
  towers:
    north.gate:
      staff:
        metadata: {labels: {row: staff}}
        spec: {hostPID: true, containers: [{image: i, securityContext: {privileged: true}}]}
  familiar: {image: vllm/vllm-openai, env: [{name: A, value: b}]}
";

fn line(pod: ringfence_inventory::Pod<'_>) -> String {
    let by = match pod.found_by() {
        FoundBy::Core => "core",
        FoundBy::Table => "table",
        FoundBy::CrdSchema => "schema",
        FoundBy::ContainerLike => "part",
        FoundBy::Structural => "shape",
    };
    format!("{} {by} {}", pod.object().field(pod.body()), pod.label("row").unwrap_or("-"))
}

fn lines(inventory: &Inventory) -> Vec<String> {
    inventory.pods().map(line).collect()
}

fn read(text: &str) -> Inventory {
    Inventory::read(Input::from_bytes("-", text.as_bytes().to_vec()), &Options::default())
}

/// Reasons that are told, assumptions aside.
fn reasons(inventory: &Inventory) -> Vec<Reason> {
    let all = inventory.coverage.blind.iter().map(|blind| blind.reason);
    all.filter(|reason| *reason != Reason::Assumption).collect()
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crd-schema-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

const FOUND: [&str; 2] = ["spec.towers[\"north.gate\"].staff.spec schema staff", "spec.familiar part -"];

#[test]
fn pods_of_an_unknown_kind_are_found_where_its_definition_says() {
    let json = {
        let value: serde_json::Value = serde_saphyr::from_str(CRD).unwrap();
        value.to_string()
    };
    let listed = format!("apiVersion: v1\nkind: List\nitems: [{json}]\n");
    for (what, definition) in [
        ("passed over", CRD.to_owned()),
        ("read as an object", CRD.replace("kind: CustomResourceDefinition\n", "kind: \"Custom\\u0052esourceDefinition\"\n")),
        ("a kind in disguise", CRD.replace("kind: WizardFleet, listKind: WizardFleetList", "kind: \"Wiz\\u0061rdFleet\"")),
        ("JSON in a YAML stream", format!("---\n{json}")),
        ("item of a list", listed),
        ("name in flow style", CRD.replace("metadata:\n  annotations:\n    controller-gen.kubebuilder.io/version: v0.17.2\n  name: wizardfleets.magic.example.com\n", "metadata: {name: wizardfleets.magic.example.com}\n")),
    ] {
        for text in [format!("{definition}\n---\n{FLEET}"), format!("{FLEET}---\n{definition}\n")] {
            let inventory = read(&text);
            assert_eq!(lines(&inventory), FOUND, "{what}");
            assert_eq!(reasons(&inventory), [], "{what}");
        }
    }
    let inventory = read(&format!("{CRD}---\n{FLEET}"));
    assert_eq!(inventory.coverage.pod_templates.get(&FoundBy::CrdSchema), Some(&1));
    assert_eq!(inventory.coverage.documents.schema_only, 1);
    assert!(!Inventory::is_guess(FoundBy::CrdSchema));
    let without = read(FLEET);
    assert_eq!(lines(&without), [""; 0], "no shape tells: {:?}", lines(&without));
}

#[test]
fn the_definition_may_stand_in_any_file() {
    let root = folder("files");
    fs::create_dir_all(root.join("crds")).unwrap();
    // UTF-16, as some editors save.
    let wide: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(CRD.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let other = CRD.replace("magic.example.com", "other.example.com");
    fs::write(root.join("crds/b.yaml"), &other).unwrap();
    fs::write(root.join("z.yaml"), FLEET).unwrap();
    for definition in [CRD.as_bytes().to_vec(), format!("{other}---\n{CRD}").into_bytes(), wide] {
        fs::write(root.join("crds/a.yaml"), definition).unwrap();
        let options = Options::default();
        let inventory = Inventory::read(collect(&[Source::Path(root.clone())], &options).unwrap(), &options);
        assert_eq!(lines(&inventory), FOUND);
        assert_eq!(reasons(&inventory), []);
    }
}

#[test]
fn a_definition_is_read_only_for_an_object_that_needs_it() {
    let broken = CRD.replace("scope: Namespaced\n", "scope: [Namespaced\n");
    let ray = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec: {headGroupSpec: {template: {spec: {containers: [{name: head, image: i}]}}}}
";
    let of_ray = broken.replace("magic.example.com", "ray.io").replace("WizardFleet", "RayCluster");
    let other_kind = FLEET.replace("WizardFleet", "WizardTower");
    for text in [
        format!("{broken}---\n{ray}"),
        // The table answers.
        format!("{of_ray}---\n{ray}"),
        // A definition of another kind of the group.
        format!("{broken}---\n{other_kind}"),
    ] {
        assert_eq!(reasons(&read(&text)), [], "{text}");
    }
    let inventory = read(&format!("---\n{broken}---\n{FLEET}"));
    assert_eq!(reasons(&inventory), [Reason::Unparsable]);
    let location = inventory.coverage.blind.iter().find_map(|blind| blind.location.as_ref()).unwrap();
    assert!(location.line > 10, "{location:?}");
    assert!(inventory.coverage.is_incomplete(), "what could not be walked is not clean");
}

#[test]
fn a_known_kind_that_moved_its_pods_is_found_by_its_definition() {
    let crd = CRD.replace("magic.example.com", "ray.io").replace("WizardFleet", "RayCluster");
    let moved = FLEET.replace("magic.example.com", "ray.io").replace("WizardFleet", "RayCluster");
    assert_eq!(lines(&read(&format!("{crd}---\n{moved}"))), FOUND);
    let as_known =
        format!("{moved}  headGroupSpec: {{template: {{spec: {{containers: [{{name: h, image: i}}]}}}}}}\n");
    let found = lines(&read(&format!("{crd}---\n{as_known}")));
    assert_eq!(found, ["spec.headGroupSpec.template.spec table -"]);
    let empty = "apiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: r}\nspec: {}\n";
    assert_eq!(reasons(&read(&format!("{}---\n{empty}", crd.replace("scope: N", "scope: [N")))), []);
}

#[test]
fn shapes_are_found_where_the_schema_says_nothing() {
    let opaque = CRD.replace(
        "              familiar:\n                type: object\n                properties:\n",
        "              familiar:\n                type: object\n                x-kubernetes-preserve-unknown-fields: true\n                properties:\n",
    );
    let fleet =
        FLEET.replace("familiar: {image", "familiar: {cat: {containers: [{name: c, image: i}]}, image");
    let inventory = read(&format!("{opaque}---\n{fleet}"));
    assert_eq!(lines(&inventory), [FOUND[0], FOUND[1], "spec.familiar.cat shape -"]);
}

#[test]
fn a_definition_without_a_schema_is_named_and_the_search_goes_on() {
    let (head, _) = CRD.split_once("        properties:\n          apiVersion").unwrap();
    let bare = format!("{head}        x-kubernetes-preserve-unknown-fields: true\n");
    let fleet = FLEET.replace("[{image", "[{name: c, image");
    let inventory = read(&format!("{bare}---\n{fleet}"));
    assert_eq!(lines(&inventory), ["spec.towers[\"north.gate\"].staff.spec shape staff"]);
    assert_eq!(reasons(&inventory), [Reason::NoSchema]);
    assert!(!inventory.coverage.is_incomplete());
}

#[test]
fn a_kind_without_namespaces_is_known_by_its_definition() {
    let options = Options { namespace: Some("given".to_owned()), ..Options::default() };
    let namespace = |crd: &str| {
        let text = format!("{crd}---\n{}", FLEET.replace(", namespace: ml", ""));
        let inventory = Inventory::read(Input::from_bytes("-", text.into_bytes()), &options);
        let pod = inventory.pods().next().unwrap();
        let known = inventory.namespaces.named(Some("given")).is_some();
        (pod.namespace().map(str::to_owned), known)
    };
    assert_eq!(namespace(CRD), (Some("given".to_owned()), true));
    assert_eq!(namespace(&CRD.replace("scope: Namespaced", "scope: Cluster")), (None, false));
}

#[test]
fn rights_name_the_kind_as_its_definition_does() {
    let crd = CRD.replace("plural: wizardfleets", "plural: fleetsofwizards");
    let inventory = read(&format!("{crd}---\n{FLEET}"));
    let resources = inventory.pod_resources();
    let own: Vec<_> = resources.iter().filter(|resource| resource.group == "magic.example.com").collect();
    assert_eq!(own.iter().map(|resource| resource.plural.as_str()).collect::<Vec<_>>(), ["fleetsofwizards"]);
}
