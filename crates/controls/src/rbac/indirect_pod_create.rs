//! RF-RBAC-003: one AI namespace in, roles that let people and accounts start or change pods there out.

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
use crate::hit::Results;
use crate::rights::GROUP;

/// Who can start a pod, by whatever kind, can read every Secret and claim of its namespace.
///
/// ## What it sees
/// Rules with `create`, `update` or `patch` on pods, on the workload kinds of Kubernetes, and on every custom resource
/// whose operator starts pods: RayCluster, PyTorchJob, InferenceService, Notebook, Workflow and the others that this
/// scanner finds pods in, kinds of the set that it knows by their shape too. Roles of a namespace with AI workloads,
/// ClusterRoles bound there or everywhere, and the built-in `edit` and `admin`. A Role without a binding is judged as
/// if bound, with less confidence. One finding a role, its subjects as evidence; who may do everything is the matter of
/// RF-RBAC-001. A list of names does not grant `create`, but lets its holder change the named ones.
///
/// ## Why it matters for AI
/// The pod that a RayCluster asks for mounts any Secret, any claim, any service account of the namespace: the provider
/// keys, the weights, the training data, the registry token. "May only create Ray jobs" is "may read everything here",
/// and roles for AI kinds are handed out freely because they look harmless.
///
/// ## Bad
/// ```yaml
/// kind: Role
/// rules:
///   - {apiGroups: [ray.io], resources: [rayclusters], verbs: [create, get, list]}
/// ```
///
/// ## Good
/// ```yaml
/// kind: Role
/// rules:
///   - {apiGroups: [ray.io], resources: [rayclusters], verbs: [get, list, watch, delete]}
/// ```
///
/// ## Fix and its side effects
/// Let a pipeline with review create workloads, or keep each team's keys and claims in a namespace of its own, so that
/// what its members can mount is theirs anyway. Where people must create jobs by hand, limit by admission which service
/// accounts, Secrets and host settings their pods name. Admission policies are not judged in this version: the finding
/// stays high beside one; write it down as an exception.
///
/// ## When it is unknown
/// No Role or ClusterRole is in the set, or the role of a binding is not.
///
/// ## References
/// - guide: G32, G33, H5
/// - CIS Kubernetes 2.0.1: 5.1.4
/// - MITRE ATT&CK: T1610
/// - OWASP LLM 2025: LLM06
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Rbac, 3),
        slug: "indirect-pod-create",
        title: "Role can start or change pods, directly or by a custom resource",
        risk: "a pod of their making mounts every Secret, claim and service account of the namespace: keys, weights and data",
        cure: "take `create`, `update` and `patch` on workload kinds away and let a reviewed pipeline apply them",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[Need::Roles],
        absence: &[(GROUP, "ClusterRoleBinding"), (GROUP, "RoleBinding")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G32" },
            Reference { framework: "guide", version: "1", id: "H5" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.1.4" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1610" },
            Reference { framework: "OWASP LLM", version: "2025", id: "LLM06" },
        ],
    },
    check: Check::Namespace(check),
};

fn check(cx: &Cx<'_>, name: Option<&str>, namespace: &Namespace, results: &mut Results<'_>) {
    let resources = cx.inventory.pod_resources();
    let sought = Sought {
        resources: &resources,
        of_cluster: &[],
        creates: true,
        changes: &["update", "patch"],
        words: ["create", "change"],
        many: "kinds of workloads",
        built_in: Some("starts pods"),
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
    fn bad_fixture_fails_on_the_role() {
        insta::assert_snapshot!(one_line("indirect-pod-create", "bad"), @"HIGH RF-RBAC-003 Role/ml/ml-engineer: can create rayclusters");
    }

    #[test]
    fn good_fixture_stops_and_restarts_but_starts_nothing() {
        insta::assert_snapshot!(one_line("indirect-pod-create", "good"), @"");
    }

    #[test]
    fn a_set_without_roles_is_unknown() {
        insta::assert_snapshot!(one_line("indirect-pod-create", "unknown"), @"UNKNOWN RF-RBAC-003 -: no Role or ClusterRole objects given");
    }

    const RAY: &str = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec: {headGroupSpec: {template: {spec: {containers: [{name: h, image: ray}]}}}}
---
";

    fn verdict(text: &str) -> String {
        let findings = judged("RF-RBAC-003", &format!("{RAY}{text}"));
        let lines = findings.iter().map(|finding| match finding.outcome {
            Outcome::Fail => {
                format!("{} {} {}", finding.severity, finding.confidence.as_str(), finding.message)
            }
            _ => format!("unknown {}", finding.message),
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    fn role(rules: &str) -> String {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: r, namespace: ml}}
rules: [{rules}]
---
"
        )
    }

    fn binding(kind: &str, name: &str, subject: &str) -> String {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: b, namespace: ml}}
roleRef: {{kind: {kind}, name: {name}}}
subjects: [{subject}]
---
"
        )
    }

    const GROUP: &str = "{kind: Group, name: ds}";

    #[test]
    fn rules_count_by_what_the_api_server_lets_through() {
        for (rule, expected) in [
            ("{apiGroups: [''], resources: [pods], verbs: [create]}", "can create pods"),
            ("{apiGroups: [''], resources: [pods], verbs: [get, patch]}", "can change pods"),
            ("{apiGroups: [''], resources: [pods, pods/log], verbs: [get, list, delete]}", ""),
            ("{apiGroups: [''], resources: [pods/exec], verbs: [create]}", ""),
            ("{apiGroups: [batch], resources: ['*'], verbs: ['*']}", "can create jobs and cronjobs"),
            (
                "{apiGroups: [kubeflow.org], resources: [notebooks, pytorchjobs, tfjobs], verbs: [create]}",
                "can create pytorchjobs, tfjobs and 1 more",
            ),
            ("{apiGroups: ['*'], resources: ['*'], verbs: [create]}", "kinds of workloads"),
            (
                "{apiGroups: [argoproj.io], resources: [workflowtaskresults, workflowtemplates], verbs: [create]}",
                "",
            ),
            ("{apiGroups: [batch], resources: [deployments], verbs: [create]}", ""),
            // Names do not let create through, but changes of the named.
            ("{apiGroups: [batch], resources: [jobs], resourceNames: [a], verbs: [create]}", ""),
            (
                "{apiGroups: [apps], resources: [deployments], resourceNames: [a], verbs: [create, update]}",
                "can change deployments",
            ),
            ("{apiGroups: [apps], resources: [deployments/scale], verbs: [update]}", ""),
        ] {
            let found = verdict(&format!("{}{}", role(rule), binding("Role", "r", GROUP)));
            if expected.is_empty() {
                assert_eq!(found, "", "{rule}");
            } else {
                assert!(found.starts_with("high high can") && found.ends_with(expected), "{rule}: {found}");
            }
        }
    }

    #[test]
    fn the_binding_decides_who_and_how_sure() {
        let jobs = role("{apiGroups: [batch], resources: [jobs], verbs: [create]}");
        assert_eq!(verdict(&jobs), "high medium can create jobs");
        let controller = "{kind: ServiceAccount, name: kueue, namespace: kueue-system}";
        assert_eq!(verdict(&format!("{jobs}{}", binding("Role", "r", controller))), "");
        let everything = role("{apiGroups: ['*'], resources: ['*'], verbs: ['*']}");
        assert_eq!(verdict(&format!("{everything}{}", binding("Role", "r", GROUP))), "");
    }

    #[test]
    fn cluster_roles_count_once_and_the_built_in_ones_at_their_binding() {
        let jobs = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: c}
rules: [{apiGroups: [batch], resources: [jobs], verbs: [create]}]
---
";
        assert_eq!(verdict(jobs), "");
        let here = binding("ClusterRole", "c", GROUP);
        let everywhere = here.replace(
            "RoleBinding\nmetadata: {name: b, namespace: ml}",
            "ClusterRoleBinding\nmetadata: {name: all}",
        );
        assert_eq!(verdict(&format!("{jobs}{here}{everywhere}")), "high high can create jobs");
        let edit = binding("ClusterRole", "edit", GROUP);
        assert_eq!(verdict(&format!("{jobs}{edit}")), "high high gives group ds edit: it starts pods");
        let view = binding("ClusterRole", "view", GROUP);
        assert_eq!(verdict(&format!("{jobs}{view}")), "");
        let admin = binding("ClusterRole", "cluster-admin", GROUP);
        assert_eq!(verdict(&format!("{jobs}{admin}")), "");
        let missing = binding("Role", "elsewhere", GROUP);
        assert_eq!(verdict(&format!("{jobs}{missing}")), "unknown Role elsewhere is not in the set");
    }

    #[test]
    fn a_kind_nobody_knows_counts_once_its_pods_were_seen() {
        let rule = role("{apiGroups: [acme.example], resources: [trainingruns], verbs: [create]}");
        assert_eq!(verdict(&rule), "");
        let kind = "apiVersion: acme.example/v1
kind: TrainingRun
metadata: {name: t, namespace: ml}
spec: {stages: [{podSpec: {containers: [{name: c, image: x}]}}]}
";
        assert_eq!(verdict(&format!("{rule}{kind}")), "high medium can create trainingruns");
    }

    #[test]
    fn a_namespace_without_ai_is_left_alone() {
        let jobs = role("{apiGroups: [batch], resources: [jobs], verbs: [create]}");
        assert_eq!(verdict(&jobs.replace("namespace: ml", "namespace: web")), "");
    }
}
