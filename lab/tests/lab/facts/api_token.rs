//! A pod gets a token of the API unless it, or its account, says no; the pod's word wins.

use ringfence_lab::Namespace;
use ringfence_lab::need;

use crate::facts::pod;

/// Whether a pod with these fields gets the volume with the token.
fn has_token(namespace: &Namespace<'_>, name: &str, fields: &str) -> bool {
    let yaml = format!(
        "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{{fields}containers: [{{name: c, image: c}}]}}}}"
    );
    namespace.apply(&yaml).ok();
    let pod = pod(namespace, name).unwrap();
    let volumes = pod["spec"]["volumes"].as_array().map(Vec::as_slice).unwrap_or_default();
    volumes
        .iter()
        .any(|volume| volume["name"].as_str().is_some_and(|name| name.starts_with("kube-api-access-")))
}

#[test]
#[ignore = "needs lab tier 1b: accounts come from a controller"]
fn a_token_is_mounted_until_the_pod_or_its_account_says_no() {
    let cluster = need!(ControlPlane);
    let namespace = cluster.namespace("token");
    assert!(has_token(&namespace, "default", ""));
    assert!(!has_token(&namespace, "silent", "automountServiceAccountToken: false, "));
    let quiet = "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: quiet}, automountServiceAccountToken: false}";
    namespace.apply(quiet).ok();
    assert!(!has_token(&namespace, "quiet", "serviceAccountName: quiet, "));
    let on = "serviceAccountName: quiet, automountServiceAccountToken: true, ";
    assert!(has_token(&namespace, "loud", on));
}
