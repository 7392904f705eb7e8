//! Room `domain`: account and rights of the controller. No wildcard, no secret, no escalation; it may bind the roles of
//! people and no other, so nobody gains by a SecurityDomain what these roles do not give.

use serde_json::Value;
use serde_json::json;

use super::Install;
use super::rule;
use crate::names;
use crate::spec::Extra;
use crate::spec::Preset;

const READ: &[&str] = &["get", "list", "watch"];
/// An apply that creates is checked for both.
const KEEP: &[&str] = &["create", "delete", "get", "list", "patch", "watch"];

/// Account, cluster role with its binding, and the role for the lease.
pub(super) fn rights(install: &Install) -> Vec<Value> {
    let namespace = install.namespace.as_str();
    let labels = json!({"app.kubernetes.io/managed-by": names::MANAGED_BY});
    let account = names::OPERATOR_ACCOUNT;
    let subject = json!([{"kind": "ServiceAccount", "name": account, "namespace": namespace}]);
    let bound = |kind: &str, name: &str| json!({"apiGroup": RBAC, "kind": kind, "name": name});
    vec![
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": account, "namespace": namespace, "labels": labels},
        }),
        json!({
            "apiVersion": format!("{RBAC}/v1"),
            "kind": "ClusterRole",
            "metadata": {"name": "ringfence:controller", "labels": labels},
            "rules": rules(install),
        }),
        json!({
            "apiVersion": format!("{RBAC}/v1"),
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "ringfence:controller", "labels": labels},
            "roleRef": bound("ClusterRole", "ringfence:controller"),
            "subjects": subject,
        }),
        json!({
            "apiVersion": format!("{RBAC}/v1"),
            "kind": "Role",
            "metadata": {"name": "ringfence:lease", "namespace": namespace, "labels": labels},
            "rules": lease(),
        }),
        json!({
            "apiVersion": format!("{RBAC}/v1"),
            "kind": "RoleBinding",
            "metadata": {"name": "ringfence:lease", "namespace": namespace, "labels": labels},
            "roleRef": bound("Role", "ringfence:lease"),
            "subjects": subject,
        }),
    ]
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn rules(install: &Install) -> Vec<Value> {
    let roles = Preset::ALL.map(Preset::name).into_iter().chain(Extra::ALL.map(Extra::name));
    let roles: Vec<_> = roles.map(|name| format!("ringfence:{name}")).collect();
    let mut rules = vec![
        // Its own kind: the finalizer is in the object, the state in the subresource.
        rule("ringfence.dev", &["securitydomains"], &["get", "list", "patch", "watch"]),
        rule("ringfence.dev", &["securitydomains/status"], &["get", "patch"]),
        // What it keeps.
        rule("", &["namespaces"], &["create", "get", "list", "patch", "watch"]),
        rule("", &["nodes"], &["get", "list", "patch", "watch"]),
        rule("", &["limitranges", "resourcequotas"], KEEP),
        rule("", &["serviceaccounts"], &["get", "list", "patch", "watch"]),
        rule("networking.k8s.io", &["networkpolicies"], KEEP),
        rule(RBAC, &["rolebindings"], KEEP),
        json!({"apiGroups": [RBAC], "resources": ["clusterroles"], "verbs": ["bind"], "resourceNames": roles}),
        rule("external-secrets.io", &["externalsecrets"], KEEP),
        rule(
            "admissionregistration.k8s.io",
            &[
                "mutatingadmissionpolicies",
                "mutatingadmissionpolicybindings",
                "validatingadmissionpolicies",
                "validatingadmissionpolicybindings",
            ],
            KEEP,
        ),
        // What it reads: destinations of rules, and the DNS cache of nodes.
        rule("", &["services"], READ),
        rule("discovery.k8s.io", &["endpointslices"], READ),
        rule("apps", &["daemonsets"], READ),
        rule("apiextensions.k8s.io", &["customresourcedefinitions"], READ),
        // What it says.
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ];
    // What a simulation judges.
    rules.extend(install.workloads.iter().map(|(group, kinds)| {
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        rule(group, &kinds, &["list"])
    }));
    rules
}

/// A lease cannot be created by name: the API server does not know the name of what is created.
fn lease() -> Vec<Value> {
    vec![
        rule("coordination.k8s.io", &["leases"], &["create"]),
        json!({
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "patch", "update"],
            "resourceNames": [names::LEASE],
        }),
    ]
}
