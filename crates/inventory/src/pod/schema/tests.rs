//! Definitions written for the walk: what is a pod, what only resembles one, and where the walk ends.

use std::fmt::Write as _;

use super::*;
use crate::yaml::read_yaml;

const CONTAINERS: &str = "{type: array, items: {type: object, properties: {name: {type: string}, image: {type: string}, args: {type: array}}}}";

fn kind(versions: &str) -> KindSchema {
    let text = format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: wizardfleets.magic.example.com}}
spec:
  group: magic.example.com
  scope: Namespaced
  names: {{kind: WizardFleet, plural: wizardfleets}}
  versions: [{versions}]
"
    );
    let tree = read_yaml(&text.replace("CONTAINERS", CONTAINERS)).unwrap().unwrap();
    KindSchema::from_crd(tree.root()).unwrap()
}

fn version(name: &str, properties: &str) -> String {
    format!(
        "{{name: {name}, served: true, schema: {{openAPIV3Schema: {{type: object, properties: {properties}}}}}}}"
    )
}

/// `spec path`, `part path`, `opaque path`.
fn walked(properties: &str) -> Vec<String> {
    shown(&kind(&version("v1", properties)))
}

fn shown(kind: &KindSchema) -> Vec<String> {
    let paths = kind.paths.iter().map(|(shape, path)| match shape {
        SchemaShape::Spec => format!("spec {path}"),
        SchemaShape::Part => format!("part {path}"),
    });
    paths.chain(kind.opaque.iter().map(|path| format!("opaque {path}"))).collect()
}

#[test]
fn pods_are_found_through_fields_lists_and_mappings() {
    for (properties, expected) in [
        ("{spec: {properties: {containers: CONTAINERS}}}", vec!["spec spec"]),
        ("{spec: {properties: {initContainers: CONTAINERS}}}", vec!["spec spec"]),
        (
            "{spec: {properties: {template: {properties: {metadata: {}, spec: {properties: {containers: CONTAINERS}}}}}}}",
            vec!["spec spec.template.spec"],
        ),
        (
            "{spec: {properties: {a: {type: array, items: {type: array, items: {properties: {containers: CONTAINERS}}}}}}}",
            vec!["spec spec.a[*][*]"],
        ),
        (
            "{spec: {properties: {a: {additionalProperties: {properties: {b: {properties: {containers: CONTAINERS}}}}}}}}",
            vec!["spec spec.a{*}.b"],
        ),
        ("{template: {properties: {containers: CONTAINERS}}}", vec!["spec template"]),
        // A PodSpec may stand beside fields of a PodSpec, never inside of one.
        (
            "{spec: {properties: {containers: CONTAINERS, volumes: {properties: {containers: CONTAINERS}}, worker: {properties: {containers: CONTAINERS}}}}}",
            vec!["spec spec", "spec spec.worker"],
        ),
        (
            "{spec: {properties: {engine: {properties: {image: {}, env: {}, resources: {}}}}}}",
            vec!["part spec.engine"],
        ),
        (
            "{spec: {properties: {extra: {items: {properties: {image: {}, env: {}, resources: {}}}}}}}",
            vec!["part spec.extra[*]"],
        ),
        ("{spec: {x-kubernetes-preserve-unknown-fields: true, properties: {a: {}}}}", vec!["opaque spec"]),
        (
            "{spec: {properties: {a: {additionalProperties: true}, b: {additionalProperties: false}}}}",
            vec!["opaque spec.a"],
        ),
    ] {
        assert_eq!(walked(properties), expected, "{properties}");
    }
}

#[test]
fn what_only_resembles_a_pod_is_none() {
    for properties in [
        "{status: {properties: {containers: CONTAINERS}}}",
        "{metadata: {properties: {containers: CONTAINERS}}}",
        "{spec: {properties: {containers: {items: {properties: {name: {}, image: {}}}}}}}",
        "{spec: {properties: {containers: {items: {properties: {name: {}, args: {}}}}}}}",
        "{spec: {properties: {containers: {properties: {name: {}, image: {}, env: {}}}}}}",
        "{spec: {properties: {image: {}, env: {}}}}",
        "{spec: {required: [containers], default: {containers: [{name: a, image: b, env: []}]}}}",
        "{spec: []}",
        "[]",
    ] {
        assert_eq!(walked(properties), [""; 0], "{properties}");
    }
}

#[test]
fn every_served_version_is_walked_and_no_other() {
    let a = version("v1", "{spec: {properties: {containers: CONTAINERS}}}");
    let b = version("v2", "{spec: {properties: {pod: {properties: {containers: CONTAINERS}}}}}");
    let both = kind(&format!("{a}, {b}, {a}"));
    assert_eq!(shown(&both), ["spec spec", "spec spec.pod"]);
    assert_eq!(both.served.iter().map(|name| &**name).collect::<Vec<_>>(), ["v1", "v2", "v1"]);
    let one = kind(&format!("{a}, {}", b.replace("served: true", "served: false")));
    assert_eq!(shown(&one), ["spec spec"]);
    assert_eq!(one.served.iter().map(|name| &**name).collect::<Vec<_>>(), ["v1"]);
    assert!(one.may_bear_pods() && one.gaps.is_empty());
}

#[test]
fn definitions_of_the_older_version_share_one_schema() {
    let text = |fields: &str| {
        format!(
            "{{apiVersion: apiextensions.k8s.io/v1beta1, kind: CustomResourceDefinition, spec: {{group: g, names: {{kind: K}}, {fields}}}}}"
        )
        .replace("CONTAINERS", CONTAINERS)
    };
    let schema =
        "validation: {openAPIV3Schema: {properties: {spec: {properties: {containers: CONTAINERS}}}}}";
    for (fields, expected, served) in [
        (format!("version: v1, {schema}"), vec!["spec spec", "opaque "], vec!["v1"]),
        (format!("preserveUnknownFields: false, version: v1, {schema}"), vec!["spec spec"], vec!["v1"]),
        (
            format!("preserveUnknownFields: false, versions: [{{name: v1, served: true}}], {schema}"),
            vec!["spec spec"],
            vec!["v1"],
        ),
        ("version: v1".to_owned(), vec!["opaque "], vec!["v1"]),
    ] {
        let tree = read_yaml(&text(&fields)).unwrap().unwrap();
        let kind = KindSchema::from_crd(tree.root()).unwrap();
        assert_eq!(shown(&kind), expected, "{fields}");
        assert_eq!(kind.served.iter().map(|name| &**name).collect::<Vec<_>>(), served, "{fields}");
    }
}

#[test]
fn a_definition_without_a_schema_is_named() {
    for versions in [
        "{name: v1, served: true}".to_owned(),
        "{name: v1, served: true, schema: {}}".to_owned(),
        "{name: v1, served: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}".to_owned(),
        version("v1", "{spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}"),
    ] {
        let kind = kind(&versions);
        let [gap] = kind.gaps.as_slice() else { panic!("{versions}: {:?}", kind.gaps) };
        assert_eq!(gap.reason, Reason::NoSchema, "{versions}");
        assert!(gap.message.contains("WizardFleet.magic.example.com") && gap.message.contains("v1"), "{gap:?}");
        assert!(kind.may_bear_pods());
    }
    let named = kind(&version("v1", "{spec: {properties: {a: {}}}}"));
    assert!(named.gaps.is_empty() && !named.may_bear_pods());
}

#[test]
fn a_deep_schema_ends_at_the_limit_and_says_so() {
    let nested = |levels: usize| {
        let (open, close) = ("{properties: {x: ".repeat(levels), "}}".repeat(levels));
        format!("{{spec: {open}{{properties: {{containers: CONTAINERS}}}}{close}}}")
    };
    let within = kind(&version("v1", &nested(MAX_DEPTH - 1)));
    assert_eq!((within.paths.len(), within.gaps.len()), (1, 0));
    let beyond = kind(&version("v1", &nested(MAX_DEPTH)));
    assert_eq!(beyond.paths.len(), 0);
    assert_eq!(beyond.gaps.iter().map(|gap| gap.reason).collect::<Vec<_>>(), [Reason::Depth]);
}

#[test]
fn a_schema_of_many_parts_ends_at_the_limit_and_says_so() {
    let parts = (0..=MAX_PATHS).fold(String::new(), |mut parts, n| {
        write!(parts, "p{n}: {{properties: {{image: {{}}, env: {{}}, resources: {{}}}}}},").unwrap();
        parts
    });
    let many = kind(&version("v1", &format!("{{spec: {{properties: {{{parts}}}}}}}")));
    assert_eq!(many.paths.len(), MAX_PATHS);
    assert_eq!(many.gaps.iter().map(|gap| gap.reason).collect::<Vec<_>>(), [Reason::Budget]);
}

#[test]
fn a_walk_ends_with_its_budget_and_says_so() {
    let fields = "{spec: {properties: {a: {}, b: {items: {}}, c: {}}}}";
    let text = format!("{{spec: {{group: g, names: {{kind: K}}, versions: [{}]}}}}", version("v1", fields));
    let tree = read_yaml(&text).unwrap().unwrap();
    // The object, its spec, a, b, the items of b, c.
    for (budget, gaps) in [(6, 0), (5, 1), (0, 1)] {
        let kind = KindSchema::within(tree.root(), budget).unwrap();
        assert_eq!(kind.gaps.len(), gaps, "{budget}");
        assert!(kind.gaps.iter().all(|gap| gap.reason == Reason::Budget), "{budget}");
        assert_eq!(kind.may_bear_pods(), gaps > 0, "what was not walked may bear some");
    }
}

#[test]
fn the_same_kind_twice_is_the_sum_of_both() {
    let mut schemas = Schemas::default();
    schemas.add(kind(&version("v1", "{spec: {properties: {containers: CONTAINERS}}}")));
    schemas.add(kind(&version("v2", "{spec: {properties: {pod: {properties: {containers: CONTAINERS}}}}}")));
    assert_eq!(schemas.iter().len(), 1);
    let both = schemas.get("magic.example.com", "WizardFleet").unwrap();
    assert_eq!(shown(both), ["spec spec", "spec spec.pod"]);
    assert!(schemas.get("other.example.com", "WizardFleet").is_none());
}

#[test]
fn what_is_no_definition_gives_nothing() {
    for text in ["{}", "{spec: {}}", "{spec: {group: g}}", "{spec: {group: g, names: {}}}", "[]", "a"] {
        let tree = read_yaml(text).unwrap().unwrap();
        assert!(KindSchema::from_crd(tree.root()).is_none(), "{text}");
    }
}
