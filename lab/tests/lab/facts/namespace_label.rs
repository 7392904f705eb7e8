//! The guide's egress policy trusts a label that whoever may edit a namespace can set; the label of the
//! namespace's name, which nobody can, would do as well.

use ringfence_lab::Identity;
use ringfence_lab::need;
use serde_json::Value;

use crate::facts::guide;

#[test]
#[ignore = "needs lab tier 1b: labels a namespace as its editor"]
fn an_editor_of_a_namespace_makes_it_the_model_registry() {
    let cluster = need!(ControlPlane);
    let namespace = cluster.namespace("label");
    let policy = guide("egress.yaml").replace("namespace: ml-workloads", &format!("namespace: {namespace}"));
    cluster.apply(&policy).ok();
    let stored = namespace.kubectl(&["get", "networkpolicy", "ai-pipeline-egress", "-o", "json"]).ok();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    let selector = &stored["spec"]["egress"][1]["to"][0]["namespaceSelector"]["matchLabels"];
    assert_eq!(selector, &serde_json::json!({"name": "model-registry"}));

    let mallory = Identity::human(&format!("mallory-{namespace}"), &[]);
    let user = format!("--user={}", mallory.user);
    let label = |pair: &str| {
        namespace.kubectl_as(&mallory, &["label", "--overwrite", "namespace", namespace.name(), pair])
    };
    let is_selected = |label: &str| {
        let selected = cluster.kubectl(&["get", "namespaces", "-l", label, "-o", "name"]).ok();
        selected.lines().any(|line| line == format!("namespace/{namespace}"))
    };
    // `edit` covers what is in a namespace, not the namespace.
    namespace.kubectl(&["create", "rolebinding", "edits", "--clusterrole=edit", &user]).ok();
    let said = label("name=model-registry").refused();
    assert!(said.contains("cannot") && said.contains("namespaces"), "{said}");
    assert!(!is_selected("name=model-registry"));

    // The editor of a namespace: one more rule in a Role of that namespace, and of no other.
    namespace.kubectl(&["create", "role", "owner", "--verb=get,patch", "--resource=namespaces"]).ok();
    namespace.kubectl(&["create", "rolebinding", "owns", "--role=owner", &user]).ok();
    label("name=model-registry").ok();
    assert!(
        is_selected("name=model-registry"),
        "the policy now lets traffic out to a namespace of mallory's"
    );

    // The label that the API server sets itself is no one's to choose.
    let _ = label("kubernetes.io/metadata.name=model-registry");
    assert!(!is_selected("kubernetes.io/metadata.name=model-registry"));
    assert!(is_selected(&format!("kubernetes.io/metadata.name={namespace}")));
}
