//! Room `domain`: the roles of people (guide 31 to 35). Aggregated: the API server fills them from the components here and
//! from what a platform team adds for kinds of its own. Rules on an API group that is not installed are inert.
//!
//! None of them reads secrets, runs a shell in a pod, or writes what guards the domain.

use serde_json::Value;
use serde_json::json;

use super::rule;
use crate::names;
use crate::spec::Extra;
use crate::spec::Preset;

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];

/// Kinds of AI workloads that engineers create, by API group.
const WORKLOADS: [(&str, &[&str]); 8] = [
    (
        "kubeflow.org",
        &["experiments", "jaxjobs", "mpijobs", "paddlejobs", "pytorchjobs", "tfjobs", "xgboostjobs"],
    ),
    ("trainer.kubeflow.org", &["trainjobs"]),
    ("ray.io", &["rayclusters", "raycronjobs", "rayjobs", "rayservices"]),
    ("jobset.x-k8s.io", &["jobsets"]),
    ("leaderworkerset.x-k8s.io", &["leaderworkersets"]),
    ("serving.kserve.io", &["inferenceservices", "llminferenceservices"]),
    ("batch.volcano.sh", &["jobs"]),
    ("argoproj.io", &["workflows"]),
];

/// The four roles, the rights beside them, and their components.
pub(super) fn roles() -> Vec<Value> {
    let mut roles: Vec<_> = Preset::ALL.map(aggregated).into();
    roles.extend(Extra::ALL.map(extra));
    roles.extend(components());
    roles
}

fn aggregated(preset: Preset) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": format!("ringfence:{}", preset.name()), "labels": managed()},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {to(preset): "true"}}]},
        // Filled by the API server; an apply that names rules would fight it.
    })
}

fn extra(extra: Extra) -> Value {
    let resource = match extra {
        Extra::Exec => "pods/exec",
        Extra::PortForward => "pods/portforward",
    };
    let mut rules = vec![rule("", &[resource], &["create", "get"])];
    if extra == Extra::Exec {
        rules.push(rule("", &["pods/attach"], &["create", "get"]));
    }
    role(&format!("ringfence:{}", extra.name()), &[], &rules)
}

fn components() -> Vec<Value> {
    use Preset::Engineer;
    use Preset::Notebook;
    use Preset::Operator;
    use Preset::Viewer;

    let mut components = vec![
        role(
            "ringfence:component:view",
            &[Viewer, Engineer, Operator],
            &[
                rule(
                    "",
                    &[
                        "events",
                        "limitranges",
                        "persistentvolumeclaims",
                        "pods",
                        "resourcequotas",
                        "services",
                    ],
                    READ,
                ),
                rule("batch", &["cronjobs", "jobs"], READ),
                rule("events.k8s.io", &["events"], READ),
                rule("resource.k8s.io", &["resourceclaims", "resourceclaimtemplates"], READ),
            ],
        ),
        role(
            "ringfence:component:engineer",
            &[Engineer, Operator],
            &[
                rule("", &["configmaps", "persistentvolumeclaims", "services"], WRITE),
                rule("", &["pods"], &["delete"]),
                rule("", &["pods/log"], &["get"]),
                rule("batch", &["cronjobs", "jobs"], WRITE),
                rule("resource.k8s.io", &["resourceclaims", "resourceclaimtemplates"], WRITE),
                rule("kueue.x-k8s.io", &["localqueues", "workloads"], READ),
            ],
        ),
        role(
            "ringfence:component:operate",
            &[Operator],
            &[
                rule("apps", &["deployments", "statefulsets"], WRITE),
                rule("apps", &["deployments/scale", "statefulsets/scale"], &["get", "patch", "update"]),
                rule("apps", &["controllerrevisions", "replicasets"], READ),
                rule("", &["pods/portforward"], &["create", "get"]),
                rule("serving.kserve.io", &["servingruntimes"], WRITE),
                rule("trainer.kubeflow.org", &["trainingruntimes"], WRITE),
                rule("external-secrets.io", &["externalsecrets"], READ),
            ],
        ),
        role(
            "ringfence:component:notebook",
            &[Notebook],
            &[
                rule("kubeflow.org", &["notebooks"], WRITE),
                rule("", &["persistentvolumeclaims"], &["create", "get", "list", "watch"]),
                rule("", &["events", "pods"], READ),
                rule("", &["pods/log"], &["get"]),
            ],
        ),
    ];
    for (group, resources) in WORKLOADS {
        let short = group.replace('.', "-");
        components.push(role(
            &format!("ringfence:component:view-{short}"),
            &[Viewer],
            &[rule(group, resources, READ)],
        ));
        components.push(role(
            &format!("ringfence:component:engineer-{short}"),
            &[Engineer, Operator],
            &[rule(group, resources, WRITE)],
        ));
    }
    components
}

fn role(name: &str, presets: &[Preset], rules: &[Value]) -> Value {
    let mut labels = managed();
    for preset in presets {
        labels[to(*preset)] = "true".into();
    }
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels},
        "rules": rules,
    })
}

fn managed() -> Value {
    json!({"app.kubernetes.io/managed-by": names::MANAGED_BY})
}

/// Label of a component of a role.
fn to(preset: Preset) -> String {
    format!("ringfence.dev/aggregate-to-{}", preset.name())
}
