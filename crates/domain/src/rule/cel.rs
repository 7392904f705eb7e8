//! Room `domain`: pieces of CEL that the rules share. No optional fields (`.?`), no `cel.bind`, no macros of two variables:
//! not every server from 1.31 on knows them; `has()` stands before every field that may be absent.

use serde_json::Value;
use serde_json::json;

use super::case::accelerator_names;
use crate::names;
use crate::policy::Taints;

/// Pod spec in whatever kind is asked about.
const SPEC: &str = "request.kind.kind == 'Pod' ? object.spec : (request.kind.kind == 'CronJob' ? \
                    object.spec.jobTemplate.spec.template.spec : object.spec.template.spec)";

/// Variables of the policies for pods, in their order; the taints are those that a pod is asked about.
pub(crate) fn variables(taints: &Taints) -> Value {
    let init = "(has(variables.spec.initContainers) ? variables.spec.initContainers : [])";
    let ephemeral = "(has(variables.spec.ephemeralContainers) ? variables.spec.ephemeralContainers : [])";
    let pairs = [
        ("spec", SPEC.to_owned()),
        ("job", "request.kind.kind == 'CronJob' ? object.spec.jobTemplate.spec : object.spec".into()),
        ("tols", "has(variables.spec.tolerations) ? variables.spec.tolerations : []".into()),
        ("ctrs", format!("variables.spec.containers + {init}")),
        ("all", format!("variables.ctrs + {ephemeral}")),
        ("vols", "has(variables.spec.volumes) ? variables.spec.volumes : []".into()),
        (
            "sa",
            "has(variables.spec.serviceAccountName) && variables.spec.serviceAccountName != '' ? \
             variables.spec.serviceAccountName : 'default'"
                .into(),
        ),
        ("gpu", format!("variables.ctrs.exists(c, {})", asks("c"))),
        ("tolGpu", format!("variables.tols.exists(t, {})", super::toleration::tolerates(taints))),
        ("dom", label(names::DOMAIN_LABEL)),
        ("mode", label(names::MODE_LABEL)),
        ("mnt", note(names::MOUNTABLE_ANNOTATION)),
        ("dev", note(names::DEVICES_ANNOTATION)),
        ("max", note(names::MAX_GPUS_ANNOTATION)),
        (
            "filled",
            format!("variables.mode == 'enforce' ? '' : ({})", note(names::DEFAULT_LIMITS_ANNOTATION)),
        ),
        ("free", "variables.mnt.contains(',*,')".into()),
    ];
    pairs.into_iter().map(|(name, expression)| json!({"name": name, "expression": expression})).collect()
}

/// Whether a container asks for an accelerator, by a limit or by a claim that it names: one that only the pod names may be
/// empty, and costs nobody anything.
pub(crate) fn asks(container: &str) -> String {
    format!(
        "has({container}.resources) && ((has({container}.resources.claims) && size({container}.resources.claims) > 0) || \
         ({}))",
        limits(container)
    )
}

/// Whether a container that has resources limits an accelerator.
pub(crate) fn limits(container: &str) -> String {
    format!(
        "has({container}.resources.limits) && {container}.resources.limits.exists(k, {} && \
         {container}.resources.limits[k] != '0')",
        is_accelerator("k")
    )
}

/// Whether a resource name is an accelerator.
pub(crate) fn is_accelerator(name: &str) -> String {
    let whole: Vec<_> = accelerator_names().filter(|it| !it.ends_with('*')).collect();
    let beginnings = accelerator_names().filter_map(|it| it.strip_suffix('*'));
    let beginnings = beginnings.map(|it| format!("{name}.startsWith({})", text(it)));
    let each: Vec<_> = std::iter::once(format!("{name} in {}", list(whole))).chain(beginnings).collect();
    format!("({})", each.join(" || "))
}

/// A label of the namespace; empty if it has none.
pub(crate) fn label(key: &str) -> String {
    let key = text(key);
    format!(
        "has(namespaceObject.metadata.labels) && {key} in namespaceObject.metadata.labels ? \
         namespaceObject.metadata.labels[{key}] : ''"
    )
}

/// An annotation of the namespace; empty if it has none.
pub(crate) fn note(key: &str) -> String {
    let key = text(key);
    format!(
        "has(namespaceObject.metadata.annotations) && {key} in namespaceObject.metadata.annotations ? \
         namespaceObject.metadata.annotations[{key}] : ''"
    )
}

/// A string.
pub(crate) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// A list of strings.
pub(crate) fn list<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<_> = values.into_iter().map(text).collect();
    format!("[{}]", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_stays_in_its_string() {
        assert_eq!(list(["a", r"b'\c"]), r"['a', 'b\'\\c']");
    }
}
