//! RBAC: what a rule allows (`k8s.io/component-helpers/auth/rbac/validation`, the API server's own matching), and which
//! role a binding points to.

use crate::yaml::Value;

/// Whether a rule allows `verb` on `resource` of `group`, for some object. `resourceNames` narrow it and are ignored.
pub fn allows(rule: Value<'_>, group: &str, resource: &str, verb: &str) -> bool {
    lists(rule, "verbs", |item| item == "*" || item == verb)
        && lists(rule, "apiGroups", |item| item == "*" || item == group)
        && lists(rule, "resources", |item| covers(item, resource))
}

/// Whether a rule allows every verb on every resource of every group.
pub fn is_wildcard(rule: Value<'_>) -> bool {
    ["verbs", "apiGroups", "resources"].into_iter().all(|field| lists(rule, field, |item| item == "*"))
}

/// Whether a rule is narrowed to named objects.
pub fn has_resource_names(rule: Value<'_>) -> bool {
    rule.get("resourceNames").is_some_and(|names| names.items().next().is_some())
}

fn covers(item: &str, resource: &str) -> bool {
    // `*` covers subresources too; `*/scale` covers that subresource of everything.
    item == "*"
        || item == resource
        || matches!(
            (item.strip_prefix("*/"), resource.split_once('/')),
            (Some(wanted), Some((_, subresource))) if wanted == subresource
        )
}

fn lists(rule: Value<'_>, field: &str, holds: impl Fn(&str) -> bool) -> bool {
    rule.get(field).is_some_and(|items| items.items().filter_map(Value::text).any(holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_yaml;

    #[test]
    fn matches_as_the_api_server_does() {
        let allowed = |rule: &str, group: &str, resource: &str, verb: &str| {
            allows(read_yaml(rule).unwrap().unwrap().root(), group, resource, verb)
        };
        let jobs = "{apiGroups: [batch], resources: [jobs], verbs: [create]}";
        assert!(allowed(jobs, "batch", "jobs", "create"));
        assert!(!allowed(jobs, "batch", "jobs", "delete"));
        assert!(!allowed(jobs, "batch", "jobs/status", "create"));
        assert!(!allowed(jobs, "batch.volcano.sh", "jobs", "create"));
        let all = "{apiGroups: ['*'], resources: ['*'], verbs: ['*']}";
        assert!(allowed(all, "ray.io", "rayclusters/status", "patch"));
        assert!(is_wildcard(read_yaml(all).unwrap().unwrap().root()));
        assert!(!is_wildcard(read_yaml(jobs).unwrap().unwrap().root()));
        let scale = "{apiGroups: [apps], resources: ['*/scale'], verbs: [update]}";
        assert!(allowed(scale, "apps", "deployments/scale", "update"));
        assert!(!allowed(scale, "apps", "deployments", "update"));
    }
}
