//! Room `domain`: RoleBindings of people (guide 31 to 35). The roles themselves ship with the installation: the controller
//! may bind these and no other, so it needs no right to escalate.

use serde_json::Value;
use serde_json::json;

use super::Cx;
use crate::object::DesiredObject;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::spec::Mode;
use crate::spec::Subject;

const RBAC: &str = "rbac.authorization.k8s.io";

/// A binding per granted role, and one per right beside it.
pub(crate) fn write(cx: &Cx<'_>, namespace: &str, objects: &mut Vec<DesiredObject>) {
    for grant in &cx.resolved.spec.access.roles {
        let preset = grant.preset.name();
        objects.push(binding(cx, namespace, &format!("rf-{preset}"), preset, &grant.subjects));
        for extra in &grant.extras {
            let name = format!("rf-{preset}-{}", extra.name());
            objects.push(binding(cx, namespace, &name, extra.name(), &grant.subjects));
        }
    }
}

fn binding(cx: &Cx<'_>, namespace: &str, name: &str, role: &str, subjects: &[Subject]) -> DesiredObject {
    let body = json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": format!("ringfence:{role}")},
        "subjects": subjects.iter().map(subject).collect::<Vec<_>>(),
    });
    let purpose = Purpose {
        min_mode: Mode::Enforce,
        controls: &["RF-RBAC-002", "RF-RBAC-006"],
        guide: &[31, 32, 33, 34, 35],
    };
    DesiredObject::new(Rank::Inside, "rolebindings", Write::Apply, &cx.owner, purpose, body)
}

fn subject(subject: &Subject) -> Value {
    match &subject.namespace {
        Some(namespace) => json!({"kind": subject.kind.name(), "name": subject.name, "namespace": namespace}),
        None => json!({"kind": subject.kind.name(), "name": subject.name, "apiGroup": RBAC}),
    }
}
