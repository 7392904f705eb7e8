//! RF-RBAC-001: the bindings of the set in, ML people and accounts that may do everything out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Object;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Need;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;
use crate::rights::Binding;
use crate::rights::GROUP;
use crate::rights::Role;
use crate::rights::everything;
use crate::rights::rules;

/// Somebody of an ML team may do everything, so every other boundary is a matter of their discipline.
///
/// ## What it sees
/// Users, groups and service accounts with rights where AI workloads are, bound to `cluster-admin`, to `admin` by a
/// ClusterRoleBinding, or to a role with a rule of wildcards only (aggregated roles too). A ClusterRoleBinding holds in
/// every namespace, so in a set with AI workloads each of its subjects counts. A RoleBinding counts in a namespace with
/// AI workloads, one step lower: its rights end there. Left out are `system:` users and groups (but the groups of
/// everybody and of a namespace's service accounts) and the accounts of well-known controllers in their own namespaces.
///
/// ## Why it matters for AI
/// Notebooks and training code run what a pip install or a downloaded model brings along, with the rights of their
/// user. As cluster-admin that code reads every Secret, schedules itself on every GPU, removes the taints and policies
/// that keep teams apart, and erases the traces.
///
/// ## Bad
/// ```yaml
/// kind: ClusterRoleBinding
/// roleRef: {kind: ClusterRole, name: cluster-admin}
/// subjects: [{kind: Group, name: data-scientists}]
/// ```
///
/// ## Good
/// ```yaml
/// kind: RoleBinding
/// metadata: {namespace: ml-training}
/// roleRef: {kind: Role, name: ml-engineer}
/// subjects: [{kind: Group, name: data-scientists}]
/// ```
///
/// ## Fix and its side effects
/// Bind a Role with the verbs and kinds that the team uses, in its own namespaces. Find those in the audit log before
/// you take the wide one away; installs of operators and CRDs need the platform team afterwards. A break-glass group
/// for the platform team is better a short-lived binding than a standing one.
///
/// ## When it is unknown
/// The role of a binding is not in the set, or is gathered from roles that are not.
///
/// ## References
/// - guide: G31
/// - CIS Kubernetes 2.0.1: 5.1.1, 5.1.3
/// - MITRE ATT&CK: T1078
/// - MITRE ATLAS 5.6.0: AML.T0012
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Rbac, 1),
        slug: "ml-cluster-admin",
        title: "ML team or workload may do everything",
        risk: "code that runs as this subject reads every Secret, takes every GPU and removes the guardrails of all teams",
        cure: "bind a Role with the verbs and kinds that the team uses, in its own namespaces",
        severity: Severity::Critical,
        fix: FixClass::NeedsInput,
        needs: &[Need::Bindings],
        absence: &[(GROUP, "ClusterRoleBinding"), (GROUP, "RoleBinding")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G31" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.1.1" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.1.3" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1078" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0012" },
        ],
    },
    check: Check::Cluster(check),
};

fn check(cx: &Cx<'_>, results: &mut Results<'_>) {
    if !cx.has_ai() {
        results.not_applicable();
        return;
    }
    for object in cx.inventory.objects_of(GROUP, "ClusterRoleBinding") {
        judge(cx, object, results);
    }
    for object in cx.inventory.objects_of(GROUP, "RoleBinding") {
        let namespace = cx.inventory.namespaces.named(object.namespace.as_deref());
        if namespace.is_some_and(|namespace| cx.inventory.is_ai_namespace(namespace)) {
            judge(cx, object, results);
        } else {
            results.not_applicable();
        }
    }
}

fn judge<'i>(cx: &Cx<'i>, object: &'i Object, results: &mut Results<'_>) {
    let Some(binding) = Binding::read(cx, object).filter(|binding| !binding.subjects.is_empty()) else {
        results.not_applicable();
        return;
    };
    let mut wildcard = None;
    let who = binding.who();
    let message = match (binding.role, binding.is_cluster_wide()) {
        (Role::ClusterAdmin, true) => format!("makes {who} cluster-admin"),
        (Role::Admin, true) => format!("makes {who} admin of every namespace"),
        (Role::ClusterAdmin, false) => format!("gives {who} every right in the namespace"),
        (Role::Given(role), wide) => {
            let Some(rules) = rules(cx, role) else {
                let words =
                    format!("{} {} is gathered from roles that are not in the set", role.kind, role.name);
                results.unknown(object, Some(binding.role_name), words);
                return;
            };
            wildcard = everything(&rules);
            match (wildcard, wide) {
                (None, _) => {
                    results.pass();
                    return;
                }
                (Some(_), true) => format!("gives {who} every right, by wildcard"),
                (Some(_), false) => format!("gives {who} every right in the namespace"),
            }
        }
        (Role::Missing, _) => {
            results.unknown(object, Some(binding.role_name), binding.missing());
            return;
        }
        (Role::Admin, false) | (Role::Edit | Role::Harmless, _) => {
            results.pass();
            return;
        }
    };
    results.fail(hit(&binding, message, wildcard));
}

fn hit<'i>(binding: &Binding<'i>, message: String, wildcard: Option<(&'i Object, Value<'i>)>) -> Hit<'i> {
    let mut hit = Hit::at(binding.object, binding.role_name, message);
    if !binding.is_cluster_wide() {
        hit = hit.severity(CONTROL.meta.severity.lowered());
    }
    for subject in &binding.subjects {
        hit = hit.supported_by(binding.object, subject.at);
    }
    match wildcard {
        Some((object, at)) => hit.supported_by(object, at),
        None => hit,
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_role_of_the_binding() {
        insta::assert_snapshot!(one_line("ml-cluster-admin", "bad"), @"CRITICAL RF-RBAC-001 ClusterRoleBinding/data-scientists: makes group data-scientists cluster-admin");
    }

    #[test]
    fn good_fixture_binds_a_controller_and_a_reader() {
        insta::assert_snapshot!(one_line("ml-cluster-admin", "good"), @"");
    }

    #[test]
    fn a_role_that_nobody_gave_is_unknown() {
        insta::assert_snapshot!(one_line("ml-cluster-admin", "unknown"), @"
        UNKNOWN RF-RBAC-001 ClusterRoleBinding/data-scientists: ClusterRole research is not in the set
        UNKNOWN RF-RBAC-002 ClusterRoleBinding/data-scientists: ClusterRole research is not in the set
        UNKNOWN RF-RBAC-003 ClusterRoleBinding/data-scientists: ClusterRole research is not in the set
        UNKNOWN RF-RBAC-006 ClusterRoleBinding/data-scientists: ClusterRole research is not in the set
        UNKNOWN RF-RBAC-007 ClusterRoleBinding/data-scientists: ClusterRole research is not in the set
        ");
    }

    fn verdict(kind: &str, namespace: &str, role: &str, subject: &str) -> String {
        let text = format!(
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: r, namespace: ml}}
spec: {{headGroupSpec: {{template: {{spec: {{containers: [{{name: h, image: ray}}]}}}}}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: all}}
rules: [{{apiGroups: ['*'], resources: ['*'], verbs: ['*']}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: gathered}}
aggregationRule: {{clusterRoleSelectors: [{{matchLabels: {{to: gathered}}}}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: part, labels: {{to: gathered}}}}
rules: [{{apiGroups: ['*'], resources: ['*'], verbs: ['*']}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata: {{name: b{namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}
subjects: [{subject}]
"
        );
        let findings = judged("RF-RBAC-001", &text);
        let lines = findings.iter().map(|finding| match finding.outcome {
            Outcome::Fail => format!("{} {}", finding.severity, finding.message),
            _ => format!("unknown {}", finding.message),
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn width_of_the_role_and_reach_of_the_binding_decide() {
        let group = "{kind: Group, name: ds}";
        let here = ", namespace: ml";
        for (kind, namespace, role, expected) in [
            ("ClusterRoleBinding", "", "cluster-admin", "critical makes group ds cluster-admin"),
            ("ClusterRoleBinding", "", "admin", "critical makes group ds admin of every namespace"),
            ("ClusterRoleBinding", "", "all", "critical gives group ds every right, by wildcard"),
            ("ClusterRoleBinding", "", "gathered", "critical gives group ds every right, by wildcard"),
            ("ClusterRoleBinding", "", "edit", ""),
            ("ClusterRoleBinding", "", "view", ""),
            ("RoleBinding", here, "cluster-admin", "high gives group ds every right in the namespace"),
            ("RoleBinding", here, "all", "high gives group ds every right in the namespace"),
            ("RoleBinding", here, "admin", ""),
            ("RoleBinding", ", namespace: web", "cluster-admin", ""),
            ("RoleBinding", here, "elsewhere", "unknown ClusterRole elsewhere is not in the set"),
        ] {
            assert_eq!(verdict(kind, namespace, role, group), expected, "{kind} {role}");
        }
    }

    #[test]
    fn control_planes_are_left_out_and_everybody_is_not() {
        let bound = |subject: &str| verdict("ClusterRoleBinding", "", "cluster-admin", subject);
        for subject in [
            "{kind: Group, name: 'system:masters'}",
            "{kind: User, name: 'system:kube-controller-manager'}",
            "{kind: ServiceAccount, name: argocd-application-controller, namespace: argocd}",
            "{kind: User, name: 'system:serviceaccount:kube-system:helm'}",
            "{kind: Group, name: 'system:serviceaccounts:kyverno'}",
        ] {
            assert_eq!(bound(subject), "", "{subject}");
        }
        for (subject, who) in [
            ("{kind: User, name: eve@acme.example}", "user eve@acme.example"),
            ("{kind: ServiceAccount, name: trainer, namespace: ml}", "account ml/trainer"),
            ("{kind: User, name: 'system:serviceaccount:ml:trainer'}", "account ml/trainer"),
            ("{kind: Group, name: 'system:authenticated'}", "group system:authenticated"),
            ("{kind: Group, name: 'system:serviceaccounts:ml'}", "group system:serviceaccounts:ml"),
            ("{kind: Group, name: a}, {kind: Group, name: b}", "2 subjects"),
        ] {
            assert_eq!(bound(subject), format!("critical makes {who} cluster-admin"));
        }
    }

    #[test]
    fn a_set_without_ai_is_not_judged() {
        let findings = judged(
            "RF-RBAC-001",
            "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
roleRef: {kind: ClusterRole, name: cluster-admin}
subjects: [{kind: Group, name: devs}]
",
        );
        assert_eq!(findings.len(), 0);
    }
}
