//! Room `domain`: parts of admission policies -> objects of the API. A policy's name ends in a hash of its text, so that a new
//! text stands beside the old until its binding moves; bindings keep their names.

use serde_json::Value;
use serde_json::json;

use crate::names;
use crate::object::DesiredObject;
use crate::object::Owner;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::object::hash;
use crate::spec::Mode;

/// A policy in the making.
pub(super) struct Policy {
    /// Name without the hash.
    pub(super) stem: &'static str,
    /// Whether it fills in instead of refusing.
    pub(super) mutates: bool,
    /// Statements of the guide.
    pub(super) guide: &'static [u8],
    /// Its controls; doubles are taken out.
    pub(super) controls: Vec<&'static str>,
    /// `spec`.
    pub(super) spec: Value,
}

impl Policy {
    /// The policy and its bindings: the end of each name, and its `spec` without `policyName`.
    pub(super) fn bound(self, bindings: Vec<(&'static str, Value)>) -> Vec<DesiredObject> {
        let kind = if self.mutates { "MutatingAdmissionPolicy" } else { "ValidatingAdmissionPolicy" };
        let text = hash(&self.spec);
        let name = format!("ringfence-{}-{}", self.stem, text.get(..10).unwrap_or_default());
        let bindings = bindings.into_iter().map(|(end, mut spec)| {
            spec["policyName"] = Value::from(name.as_str());
            let dash = if end.is_empty() { "" } else { "-" };
            let binding = format!("ringfence-{}{dash}{end}", self.stem);
            self.object(Rank::PolicyBinding, &format!("{kind}Binding"), &binding, spec)
        });
        let mut objects: Vec<_> = bindings.collect();
        objects.insert(0, self.object(Rank::Policy, kind, &name, self.spec.clone()));
        objects
    }

    fn object(&self, rank: Rank, kind: &str, name: &str, spec: Value) -> DesiredObject {
        let resource = match kind.strip_suffix('y') {
            Some(stem) => format!("{stem}ies").to_lowercase(),
            None => format!("{kind}s").to_lowercase(),
        };
        let body = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        });
        let purpose = Purpose { min_mode: Mode::Observe, controls: &[], guide: self.guide };
        let owner = Owner { domain: "", uid: "" };
        let mut object = DesiredObject::new(rank, &resource, Write::Apply, &owner, purpose, body);
        object.controls = self.controls.iter().filter_map(|it| it.parse().ok()).collect();
        object.controls.sort();
        object.controls.dedup();
        object
    }
}

/// What a binding does with a violation, and with an error: `failurePolicy: Fail` makes an error a violation, and blocks
/// only where the binding says Deny.
pub(super) fn actions(mode: Mode) -> Value {
    match mode {
        Mode::Observe => json!(["Audit"]),
        Mode::Warn => json!(["Warn", "Audit"]),
        Mode::Enforce => json!(["Deny", "Audit"]),
    }
}

/// One binding per mode, for the namespaces that are in it: a namespace has one mode, so it meets one of them.
pub(super) fn by_mode() -> Vec<(&'static str, Value)> {
    let binding = |mode: Mode| {
        let spec = json!({
            "validationActions": actions(mode),
            "matchResources": {"namespaceSelector": {"matchExpressions": in_mode(mode)}},
        });
        (mode.label(), spec)
    };
    [Mode::Observe, Mode::Warn, Mode::Enforce].into_iter().map(binding).collect()
}

/// Namespaces of all domains in a mode.
pub(super) fn in_mode(mode: Mode) -> Value {
    json!([
        {"key": names::DOMAIN_LABEL, "operator": "Exists"},
        {"key": names::MODE_LABEL, "operator": "In", "values": [mode.label()]},
    ])
}

/// Rules of a match: resources of one group, all `v1`.
pub(super) fn matched(group: &str, resources: &[&str], operations: &[&str]) -> Value {
    json!({
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": operations,
        "resources": resources,
        "scope": "*",
    })
}

/// A condition under which a policy is asked at all.
pub(super) fn condition(name: &str, expression: &str) -> Value {
    json!({"name": name, "expression": expression})
}

/// An expression that must be true, and what is said where it is not.
pub(super) fn validation(expression: &str, message: &str) -> Value {
    json!({"expression": expression, "reason": "Forbidden", "message": message})
}
