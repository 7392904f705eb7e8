//! RF-RBAC-002: one AI namespace in, roles that let people and accounts read its Secrets out.

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

/// Who lists the Secrets of an AI namespace holds its provider keys, and the bill.
///
/// ## What it sees
/// Rules with `get`, `list` or `watch` on `secrets`: in the roles of a namespace with AI workloads, in ClusterRoles bound
/// there or everywhere, and in the built-in `edit` and `admin` (`view` reads none). Each of the verbs shows the values:
/// a list carries them whole. Rules that name the Secrets they mean are one step lower. A Role without a binding is
/// judged as if bound, with less confidence. One finding a role, its subjects as evidence; who may do everything is the
/// matter of RF-RBAC-001; the accounts of well-known controllers in their own namespaces are left out.
///
/// ## Why it matters for AI
/// The Secrets of an AI namespace are keys of model providers that thieves resell within hours, hub tokens that can
/// publish, and the passwords of the stores with the training data. A notebook runs whatever a package or a model brings
/// along with the rights of its account: one list, and the keys are gone, without a trace in any pod.
///
/// ## Bad
/// ```yaml
/// kind: Role
/// rules:
///   - {apiGroups: [""], resources: [secrets], verbs: [get, list]}
/// ```
///
/// ## Good
/// ```yaml
/// kind: Role
/// rules:
///   - {apiGroups: [external-secrets.io], resources: [externalsecrets], verbs: [get, list]}
/// ```
///
/// ## Fix and its side effects
/// Take the verbs away: pods get their Secrets from the kubelet, whatever their account may read. People see by the
/// status of an ExternalSecret whether a key arrived. Code that reads a Secret through the API gets it as a file instead;
/// Helm keeps its releases in Secrets, so who runs `helm` by hand needs a pipeline. In place of `edit` bind a role that
/// names the kinds a team works with.
///
/// ## When it is unknown
/// No Role or ClusterRole is in the set, or the role of a binding is not.
///
/// ## References
/// - guide: G35
/// - CIS Kubernetes 2.0.1: 5.1.2
/// - MITRE ATT&CK: T1552.007
/// - MITRE ATLAS 5.6.0: AML.T0055
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Rbac, 2),
        slug: "ml-reads-secrets",
        title: "ML team or workload may read the Secrets of an AI namespace",
        risk: "one request as this subject returns every provider key, hub token and password of the namespace",
        cure: "take `get`, `list` and `watch` on secrets away: pods get theirs from the kubelet",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[Need::Roles],
        absence: &[(GROUP, "ClusterRoleBinding"), (GROUP, "RoleBinding")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G35" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.1.2" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1552.007" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0055" },
        ],
    },
    check: Check::Namespace(check),
};

fn check(cx: &Cx<'_>, name: Option<&str>, namespace: &Namespace, results: &mut Results<'_>) {
    let sought = Sought {
        resources: &resources(&[("", "secrets")]),
        of_cluster: &[],
        creates: false,
        changes: &["get", "list", "watch"],
        words: ["read", "read"],
        many: "kinds",
        built_in: Some("reads Secrets"),
        named: Some(CONTROL.meta.severity.lowered()),
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
        insta::assert_snapshot!(one_line("ml-reads-secrets", "bad"), @"HIGH RF-RBAC-002 Role/ml/ml-engineer: can read secrets");
    }

    #[test]
    fn good_fixture_writes_what_it_cannot_read() {
        insta::assert_snapshot!(one_line("ml-reads-secrets", "good"), @"");
    }

    #[test]
    fn a_role_that_nobody_gave_is_unknown() {
        let said = one_line("ml-reads-secrets", "unknown");
        let own: Vec<&str> = said.lines().filter(|line| line.contains("RF-RBAC-002")).collect();
        assert_eq!(
            own,
            ["UNKNOWN RF-RBAC-002 RoleBinding/ml/ml-engineer: ClusterRole team is not in the set"]
        );
    }

    fn said(rule: &str, binding: &str, role: &str) -> Vec<String> {
        let namespace = if binding == "RoleBinding" { ", namespace: ml" } else { "" };
        let text = format!(
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: r, namespace: ml}}
spec: {{headGroupSpec: {{template: {{spec: {{containers: [{{name: h, image: ray}}]}}}}}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: r}}
rules: [{rule}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {binding}
metadata: {{name: b{namespace}}}
roleRef: {{kind: ClusterRole, name: {role}}}
subjects: [{{kind: ServiceAccount, name: default, namespace: ml}}]
"
        );
        let findings = judged("RF-RBAC-002", &text).into_iter();
        findings
            .inspect(|one| assert_eq!(one.outcome, Outcome::Fail))
            .map(|one| format!("{} {}", one.severity, one.message))
            .collect()
    }

    #[test]
    fn each_verb_that_shows_values_counts() {
        let read = ["high can read secrets"];
        for (rule, expected) in [
            ("{apiGroups: [''], resources: [secrets], verbs: [get]}", &read[..]),
            ("{apiGroups: [''], resources: [pods, secrets], verbs: [list]}", &read),
            ("{apiGroups: [''], resources: ['*'], verbs: [watch]}", &read),
            ("{apiGroups: ['*'], resources: [secrets], verbs: ['*']}", &read),
            ("{apiGroups: [''], resources: [secrets], verbs: [create, update, delete]}", &[]),
            ("{apiGroups: [''], resources: [configmaps], verbs: [get]}", &[]),
            ("{apiGroups: [external-secrets.io], resources: ['*'], verbs: [get]}", &[]),
            (
                "{apiGroups: [''], resources: [secrets], resourceNames: [hub], verbs: [get]}",
                &["medium can read secrets"],
            ),
        ] {
            for binding in ["RoleBinding", "ClusterRoleBinding"] {
                assert_eq!(said(rule, binding, "r"), expected, "{binding} {rule}");
            }
        }
    }

    #[test]
    fn edit_reads_them_and_view_does_not() {
        let edit = ["high gives account ml/default edit: it reads Secrets"];
        assert_eq!(said("", "RoleBinding", "edit"), edit);
        assert_eq!(said("", "RoleBinding", "view"), [""; 0]);
    }
}
