//! RF-RBAC-007: one AI namespace in, roles that may rewrite labels and taints of namespaces and nodes out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Need;
use crate::cx::Cx;
use crate::grants::Sought;
use crate::grants::judge;
use crate::grants::resources;
use crate::hit::Results;
use crate::rights::GROUP;

/// Boundaries select by labels: who writes the label stands where the boundary lets him.
///
/// ## What it sees
/// Rules with `update` or `patch` on namespaces, also through `namespaces/status` and `namespaces/finalize`, which take
/// labels too: in the roles of a namespace with AI workloads (the API server asks for a Namespace inside itself, so a
/// Role there relabels its own), and in ClusterRoles bound there or everywhere. Where a binding holds everywhere, also
/// `create` on namespaces, and `create`, `update` and `patch` on nodes and `nodes/status`, which carry labels, taints and
/// capacity. A Role without a binding is judged as if bound, with less confidence. The built-in `edit` and `admin` write
/// neither. Who may do everything is the matter of RF-RBAC-001; the accounts of well-known controllers in their own
/// namespaces, and kubelets, are left out.
///
/// ## Why it matters for AI
/// A label of a namespace decides which pods its Pod Security level lets in, whom the NetworkPolicies of the model server
/// trust, and whether DRA gives admin access to devices in use. A label or a missing taint of a node draws other people's
/// pods onto the GPUs, or yours to a node of theirs; one label makes the MIG manager cut a GPU anew under its users.
///
/// ## Bad
/// ```yaml
/// kind: Role
/// rules:
///   - {apiGroups: [""], resources: [namespaces], verbs: [get, patch]}
/// ```
///
/// ## Good
/// ```yaml
/// kind: Role
/// rules:
///   - {apiGroups: [""], resources: [namespaces], verbs: [get]}
/// ```
///
/// ## Fix and its side effects
/// Leave reading. Labels and taints are changed by the platform team or by a reviewed pipeline; teams ask for a namespace
/// there. Operators that label nodes (feature discovery, autoscalers) keep an account of their own that nothing else runs
/// as. In a SecurityDomain the admission policy `labels` refuses such a write under this id, whoever has the right:
/// admission policies are not judged in this version, so the finding stays beside it; write it down as an exception.
///
/// ## When it is unknown
/// No Role or ClusterRole is in the set, or the role of a binding is not.
///
/// ## References
/// - guide: H1
/// - MITRE ATT&CK: T1562
/// - NIST 800-53r5: AC-6
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Rbac, 7),
        slug: "label-write",
        title: "ML team or workload may relabel namespaces or nodes",
        risk: "this subject labels itself through network and Pod Security boundaries, or draws strangers onto the GPU nodes",
        cure: "leave `get`, `list` and `watch` on namespaces and nodes and let the platform team label them",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[Need::Roles],
        absence: &[(GROUP, "ClusterRoleBinding"), (GROUP, "RoleBinding")],
        references: &[
            Reference { framework: "guide", version: "1", id: "H1" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1562" },
            Reference { framework: "NIST 800-53", version: "r5", id: "AC-6" },
        ],
    },
    check: Check::Namespace(check),
};

/// Asked for inside the namespace itself (`RequestInfo` of the API server).
const OWN: &[(&str, &str)] = &[("", "namespaces"), ("", "namespaces/status"), ("", "namespaces/finalize")];

const OF_CLUSTER: &[(&str, &str)] = &[("", "namespaces"), ("", "nodes"), ("", "nodes/status")];

fn check(cx: &Cx<'_>, name: Option<&str>, namespace: &Namespace, results: &mut Results<'_>) {
    let sought = Sought {
        resources: &resources(OWN),
        of_cluster: &resources(OF_CLUSTER),
        creates: false,
        changes: &["update", "patch"],
        words: ["make and label", "label"],
        many: "kinds",
        built_in: None,
        named: None,
    };
    judge(cx, name, namespace, &sought, results);
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_rule() {
        insta::assert_snapshot!(one_line("label-write", "bad"), @"HIGH RF-RBAC-007 Role/ml/ml-engineer: can label namespaces");
    }

    #[test]
    fn good_fixture_reads_and_the_controller_writes() {
        insta::assert_snapshot!(one_line("label-write", "good"), @"");
    }

    #[test]
    fn a_role_that_nobody_gave_is_unknown() {
        let said = one_line("label-write", "unknown");
        let own: Vec<&str> = said.lines().filter(|line| line.contains("RF-RBAC-007")).collect();
        assert_eq!(
            own,
            ["UNKNOWN RF-RBAC-007 RoleBinding/ml/ml-engineer: ClusterRole team is not in the set"]
        );
    }

    /// A RayCluster, a role with one rule, and its binding to a group.
    fn said(role: &str, binding: &str, resources: &str, verbs: &str) -> Vec<String> {
        let scope = |kind: &str| if kind.starts_with("Cluster") { "" } else { ", namespace: ml" };
        let text = format!(
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: r, namespace: ml}}
spec: {{headGroupSpec: {{template: {{spec: {{containers: [{{name: h, image: ray}}]}}}}}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {role}
metadata: {{name: r{}}}
rules: [{{apiGroups: [''], resources: [{resources}], verbs: [{verbs}]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {binding}
metadata: {{name: b{}}}
roleRef: {{kind: {role}, name: r}}
subjects: [{{kind: Group, name: ds}}]
",
            scope(role),
            scope(binding),
        );
        let findings = judged("RF-RBAC-007", &text).into_iter();
        findings.inspect(|one| assert_eq!(one.outcome, Outcome::Fail)).map(|one| one.message).collect()
    }

    #[test]
    fn a_namespace_relabels_itself_through_any_of_its_subresources() {
        let none = [""; 0];
        for (resources, verbs, expected) in [
            ("namespaces", "patch", &["can label namespaces"][..]),
            ("namespaces/finalize", "update", &["can label namespaces/finalize"]),
            ("namespaces/status", "'*'", &["can label namespaces/status"]),
            ("'*'", "patch", &["can label namespaces, namespaces/status and 1 more"]),
            ("namespaces", "get, list, watch, delete", &none),
            // A request to make one has no namespace to be asked for in, and nodes have none at all.
            ("namespaces", "create", &none),
            ("nodes, nodes/status", "patch", &none),
        ] {
            assert_eq!(said("Role", "RoleBinding", resources, verbs), expected, "{resources} {verbs}");
            assert_eq!(said("ClusterRole", "RoleBinding", resources, verbs), expected, "{resources} {verbs}");
        }
    }

    #[test]
    fn nodes_and_new_namespaces_count_where_a_binding_holds_everywhere() {
        for (resources, verbs, expected) in [
            ("nodes", "patch", &["can label nodes"][..]),
            ("nodes/status", "update", &["can label nodes/status"]),
            ("namespaces", "create", &["can make and label namespaces"]),
            ("nodes", "get, list", &[""; 0]),
            ("nodes/proxy", "'*'", &[""; 0]),
        ] {
            let found = said("ClusterRole", "ClusterRoleBinding", resources, verbs);
            assert_eq!(found, expected, "{resources} {verbs}");
        }
    }

    #[test]
    fn the_built_in_roles_of_a_team_label_nothing() {
        let text = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec: {headGroupSpec: {template: {spec: {containers: [{name: h, image: ray}]}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: ml}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: ml}
roleRef: {kind: ClusterRole, name: admin}
subjects: [{kind: Group, name: ds}]
";
        assert_eq!(judged("RF-RBAC-007", text).len(), 0);
        assert_eq!(judged("RF-RBAC-007", &text.replace("name: admin", "name: edit")).len(), 0);
    }
}
