//! RF-RBAC-006: one AI namespace in, roles that let the fenced move their own fence out.

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

/// A fence that the fenced may move is a suggestion.
///
/// ## What it sees
/// Rules with `create`, `update`, `patch`, `delete` or `deletecollection` on what holds a team in its bounds:
/// NetworkPolicies (Cilium's and Calico's too), ResourceQuotas, LimitRanges, SecurityDomains, ControlExceptions, secret
/// stores of External Secrets, and the templates that others build on (ServingRuntime, LLMInferenceServiceConfig,
/// TrainingRuntime, PodDefault). Roles of a namespace with AI workloads, ClusterRoles bound there or everywhere, and the
/// built-in `edit` and `admin`, which write NetworkPolicies. Kinds of the whole cluster count where a binding holds
/// everywhere. A Role without a binding is judged as if bound, with less confidence. Who may do everything is the matter
/// of RF-RBAC-001; the accounts of well-known controllers in their own namespaces are left out.
///
/// ## Why it matters for AI
/// Code in a notebook runs with the rights of its user. With `edit` it adds a policy that allows all egress (policies
/// only add up), and the weights leave; it raises the quota and mines; it points a secret store at another path, or a
/// runtime that every model server is built on at another image.
///
/// ## Bad
/// ```yaml
/// kind: Role
/// rules:
///   - {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [create, delete]}
/// ```
///
/// ## Good
/// ```yaml
/// kind: Role
/// rules:
///   - {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [get, list, watch]}
/// ```
///
/// ## Fix and its side effects
/// Leave reading, take writing away: the platform team, or a pipeline with review, changes guardrails. In place of
/// `edit` bind a role that names the kinds a team works with. Charts that bring their own NetworkPolicy are then
/// installed by the pipeline.
///
/// ## When it is unknown
/// No Role or ClusterRole is in the set, or the role of a binding is not.
///
/// ## References
/// - guide: G34
/// - MITRE ATT&CK: T1098.006
/// - NIST 800-53r5: AC-6
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Rbac, 6),
        slug: "guardrails-writable",
        title: "ML team or workload may write its own guardrails",
        risk: "code that runs as this subject opens the network, lifts the quota or redirects secrets, and then does the rest",
        cure: "leave `get`, `list` and `watch` on guardrails and let the platform team or a reviewed pipeline write them",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[Need::Roles],
        absence: &[(GROUP, "ClusterRoleBinding"), (GROUP, "RoleBinding")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G34" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1098.006" },
            Reference { framework: "NIST 800-53", version: "r5", id: "AC-6" },
        ],
    },
    check: Check::Namespace(check),
};

/// Group and plural, in the order in which a message names them.
const GUARDRAILS: &[(&str, &str)] = &[
    ("networking.k8s.io", "networkpolicies"),
    ("", "resourcequotas"),
    ("", "limitranges"),
    ("external-secrets.io", "secretstores"),
    ("serving.kserve.io", "servingruntimes"),
    ("serving.kserve.io", "llminferenceserviceconfigs"),
    ("trainer.kubeflow.org", "trainingruntimes"),
    ("kubeflow.org", "poddefaults"),
    ("cilium.io", "ciliumnetworkpolicies"),
    ("crd.projectcalico.org", "networkpolicies"),
    ("projectcalico.org", "networkpolicies"),
];

/// The same, of kinds that no namespace holds.
const OF_CLUSTER: &[(&str, &str)] = &[
    ("ringfence.dev", "securitydomains"),
    ("ringfence.dev", "controlexceptions"),
    ("external-secrets.io", "clustersecretstores"),
    ("serving.kserve.io", "clusterservingruntimes"),
    ("trainer.kubeflow.org", "clustertrainingruntimes"),
    ("policy.networking.k8s.io", "adminnetworkpolicies"),
    ("policy.networking.k8s.io", "baselineadminnetworkpolicies"),
    ("policy.networking.k8s.io", "clusternetworkpolicies"),
    ("cilium.io", "ciliumclusterwidenetworkpolicies"),
    ("crd.projectcalico.org", "globalnetworkpolicies"),
    ("projectcalico.org", "globalnetworkpolicies"),
];

fn check(cx: &Cx<'_>, name: Option<&str>, namespace: &Namespace, results: &mut Results<'_>) {
    let sought = Sought {
        resources: &resources(GUARDRAILS),
        of_cluster: &resources(OF_CLUSTER),
        creates: true,
        changes: &["update", "patch", "delete", "deletecollection"],
        words: ["write", "change"],
        many: "kinds of guardrails",
        built_in: Some("writes NetworkPolicies"),
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
        insta::assert_snapshot!(one_line("guardrails-writable", "bad"), @"HIGH RF-RBAC-006 Role/ml/ml-engineer: can write networkpolicies");
    }

    fn said(kind: &str, rules: &str, binding: &str, role: &str) -> Vec<String> {
        let scope = |kind: &str| if kind.starts_with("Cluster") { "" } else { ", namespace: ml" };
        let text = format!(
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: r, namespace: ml}}
spec: {{headGroupSpec: {{template: {{spec: {{containers: [{{name: h, image: ray}}]}}}}}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata: {{name: r{}}}
rules: [{rules}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {binding}
metadata: {{name: b{}}}
roleRef: {{kind: {}, name: {role}}}
subjects: [{{kind: Group, name: ds}}]
",
            scope(kind),
            scope(binding),
            if role == "r" { kind } else { "ClusterRole" }
        );
        let findings = judged("RF-RBAC-006", &text).into_iter();
        findings
            .map(|finding| match finding.outcome {
                Outcome::Fail => finding.message,
                _ => format!("unknown: {}", finding.message),
            })
            .collect()
    }

    fn rule(group: &str, resources: &str, verbs: &str) -> String {
        format!("{{apiGroups: ['{group}'], resources: [{resources}], verbs: [{verbs}]}}")
    }

    #[test]
    fn writing_counts_and_reading_does_not() {
        for (group, resources, verbs, expected) in [
            ("networking.k8s.io", "networkpolicies", "create", vec!["can write networkpolicies"]),
            ("networking.k8s.io", "networkpolicies, ingresses", "delete", vec!["can change networkpolicies"]),
            ("", "resourcequotas, limitranges", "'*'", vec!["can write resourcequotas and limitranges"]),
            ("external-secrets.io", "'*'", "patch", vec!["can change secretstores"]),
            ("networking.k8s.io", "networkpolicies", "get, list, watch", vec![]),
            ("networking.k8s.io", "ingresses", "create", vec![]),
            ("", "resourcequotas/status", "update", vec![]),
        ] {
            let found = said("Role", &rule(group, resources, verbs), "RoleBinding", "r");
            assert_eq!(found, expected, "{group} {resources} {verbs}");
        }
    }

    #[test]
    fn kinds_of_the_cluster_count_where_a_binding_holds_everywhere() {
        let domains = rule("ringfence.dev", "securitydomains", "update");
        assert_eq!(said("ClusterRole", &domains, "ClusterRoleBinding", "r"), ["can change securitydomains"]);
        assert_eq!(said("ClusterRole", &domains, "RoleBinding", "r"), [""; 0]);
    }

    #[test]
    fn edit_writes_policies_and_view_does_not() {
        assert_eq!(
            said("Role", "", "RoleBinding", "edit"),
            ["gives group ds edit: it writes NetworkPolicies"]
        );
        assert_eq!(said("Role", "", "RoleBinding", "view"), [""; 0]);
        // RF-RBAC-001 says it.
        assert_eq!(said("Role", "", "ClusterRoleBinding", "cluster-admin"), [""; 0]);
        assert_eq!(said("Role", "", "RoleBinding", "gone"), ["unknown: ClusterRole gone is not in the set"]);
    }
}
