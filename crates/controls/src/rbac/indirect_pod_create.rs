//! RF-RBAC-003: one AI namespace in, roles that let people and accounts start or change pods there out.

use std::cmp::Reverse;

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::PodResource;
use ringfence_inventory::rbac::allows;
use ringfence_inventory::rbac::has_resource_names;
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
    let own = |kind: &'static str| {
        let objects = namespace.objects.iter().map(|id| cx.inventory.object(*id));
        objects.filter(move |object| object.is(GROUP, kind))
    };
    // They hold in every namespace and are told with the first that matters.
    let is_first = cx.ai_namespaces().next() == Some(name);
    let cluster_wide = cx.inventory.objects_of(GROUP, "ClusterRoleBinding").filter(|_| is_first);
    let bindings: Vec<Binding<'_>> =
        own("RoleBinding").chain(cluster_wide).filter_map(|object| Binding::read(cx, object)).collect();
    for role in own("Role") {
        judge_role(cx, role, &bindings, &resources, results);
    }
    for binding in bindings.iter().filter(|binding| !binding.subjects.is_empty()) {
        match binding.role {
            Role::Edit => results.fail(built_in(binding, "edit")),
            Role::Admin if !binding.is_cluster_wide() => results.fail(built_in(binding, "admin")),
            Role::Given(role) if &*role.kind == "ClusterRole" => {
                judge_cluster_role(cx, role, binding, &resources, results);
            }
            Role::Missing => results.unknown(binding.object, Some(binding.role_name), binding.missing()),
            // Namespaced roles have had their turn; who may do everything is the matter of RF-RBAC-001.
            Role::Given(_) | Role::Admin | Role::ClusterAdmin | Role::Harmless => {}
        }
    }
}

/// A role in the namespace: its bindings stand beside it, so none at all is worth a word.
fn judge_role<'i>(
    cx: &Cx<'i>,
    role: &'i Object,
    bindings: &[Binding<'i>],
    resources: &[PodResource],
    results: &mut Results<'_>,
) {
    let Some(grants) = Grants::of(&rules(cx, role).unwrap_or_default(), resources) else { return };
    let bound: Vec<&Binding<'_>> = bindings
        .iter()
        .filter(|binding| matches!(binding.role, Role::Given(given) if std::ptr::eq(given, role)))
        .collect();
    let is_everything = everything(&rules(cx, role).unwrap_or_default()).is_some();
    let subjects = bound.iter().any(|binding| !binding.subjects.is_empty());
    // Bound to a control plane only, or RF-RBAC-001 says it.
    if !bound.is_empty() && (!subjects || is_everything) {
        return;
    }
    let mut hit = grants.hit(role);
    for binding in &bound {
        for subject in &binding.subjects {
            hit = hit.supported_by(binding.object, subject.at);
        }
    }
    if bound.is_empty() {
        hit = hit.confidence(Confidence::Medium).supported_by_fact(role, "no binding of it is in the set");
    }
    results.fail(hit);
}

/// A role for all namespaces, told once however many bindings hand it out: the engine joins their evidence.
fn judge_cluster_role<'i>(
    cx: &Cx<'i>,
    role: &'i Object,
    binding: &Binding<'i>,
    resources: &[PodResource],
    results: &mut Results<'_>,
) {
    let Some(rules) = rules(cx, role) else {
        let words = format!("{} {} is gathered from roles that are not in the set", role.kind, role.name);
        results.unknown(binding.object, Some(binding.role_name), words);
        return;
    };
    if everything(&rules).is_some() {
        return;
    }
    let Some(grants) = Grants::of(&rules, resources) else { return };
    let mut hit = grants.hit(role);
    for subject in &binding.subjects {
        hit = hit.supported_by(binding.object, subject.at);
    }
    results.fail(hit);
}

fn built_in<'i>(binding: &Binding<'i>, name: &str) -> Hit<'i> {
    let message = format!("gives {} {name}: it starts pods", binding.who());
    let mut hit = Hit::at(binding.object, binding.role_name, message);
    for subject in &binding.subjects {
        hit = hit.supported_by(binding.object, subject.at);
    }
    hit
}

/// Resources that a role can start pods by.
struct Grants<'i> {
    /// Plurals, those that can be created first.
    names: Vec<(bool, String)>,
    /// Rules that say so, each once.
    rules: Vec<(&'i Object, Value<'i>)>,
}

impl<'i> Grants<'i> {
    fn of(rules: &[(&'i Object, Value<'i>)], resources: &[PodResource]) -> Option<Self> {
        let mut grants = Self { names: Vec::new(), rules: Vec::new() };
        for resource in resources {
            let may = |rule: Value<'_>, verb: &str| allows(rule, &resource.group, &resource.plural, verb);
            // A request to create carries no name to compare with the list.
            let create = |rule: Value<'_>| may(rule, "create") && !has_resource_names(rule);
            let change = |rule: Value<'_>| may(rule, "update") || may(rule, "patch");
            let granting = rules.iter().filter(|(_, rule)| create(*rule) || change(*rule));
            let mut is_created = None;
            for (role, rule) in granting {
                is_created = Some(is_created.unwrap_or(false) || create(*rule));
                if !grants.rules.iter().any(|(_, known)| known.id() == rule.id()) {
                    grants.rules.push((role, *rule));
                }
            }
            if let Some(is_created) = is_created
                && !grants.names.iter().any(|(_, name)| *name == resource.plural)
            {
                grants.names.push((is_created, resource.plural.clone()));
            }
        }
        grants.names.sort_by_key(|(is_created, _)| Reverse(*is_created));
        (!grants.names.is_empty()).then_some(grants)
    }

    fn hit(&self, role: &'i Object) -> Hit<'i> {
        let places =
            self.rules.iter().map(|(object, rule)| (*object, rule.get("resources").unwrap_or(*rule)));
        // The rule of another role that is gathered into this one is evidence only.
        let own = places.clone().find(|(object, _)| std::ptr::eq(*object, role));
        let mut hit = match own {
            Some((_, at)) => Hit::at(role, at, self.message()).field("rules"),
            None => Hit::absent(role, self.message()),
        };
        for (object, at) in places {
            if own.is_none_or(|(_, first)| first.id() != at.id() || !std::ptr::eq(object, role)) {
                hit = hit.also_at(object, at);
            }
        }
        hit
    }

    fn message(&self) -> String {
        /// Beyond these a number says more than names.
        const MANY: usize = 8;
        let names: Vec<&str> = self.names.iter().map(|(_, name)| name.as_str()).collect();
        let verb = if self.names.iter().any(|(is_created, _)| *is_created) { "create" } else { "change" };
        match names.as_slice() {
            [one] => format!("can {verb} {one}"),
            [one, other] => format!("can {verb} {one} and {other}"),
            many if many.len() > MANY => format!("can {verb} {} kinds of workloads", many.len()),
            [one, other, more @ ..] => format!("can {verb} {one}, {other} and {} more", more.len()),
            [] => String::new(),
        }
    }
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
