//! Room `domain`: Namespace labels and annotations (guide 6, 40, 46). The labels join policies, bindings and network
//! rules; the annotations carry what the policies must know of a domain, so that their text never changes with one.

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Cx;
use super::limit_range;
use crate::facts::NamespaceFact;
use crate::names;
use crate::object::DesiredObject;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::spec::Level;
use crate::spec::Mode;
use crate::tier::Resolved;

/// Beginning of the labels of Pod Security.
const LEVELS: &str = "pod-security.kubernetes.io/";

/// The Namespace with our labels and annotations, and no others: those belong to their owners.
pub(crate) fn labels(cx: &Cx<'_>, namespace: &NamespaceFact) -> DesiredObject {
    let exists = !namespace.uid.is_empty() || !cx.resolved.spec.namespaces.create;
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": namespace.name,
            "labels": label_map(cx, namespace),
            "annotations": notes(cx.resolved),
        },
    });
    if let Some(asked) = asked(namespace) {
        body["metadata"]["annotations"][names::LEVEL_ANNOTATION] = Value::from(asked.as_str());
    }
    if !namespace.uid.is_empty() {
        // A precondition: a namespace that vanishes in between is not made again.
        body["metadata"]["uid"] = Value::from(namespace.uid.as_str());
    }
    let purpose = Purpose { min_mode: Mode::Observe, controls: &["RF-RUN-004"], guide: &[6, 40, 46] };
    let write = if exists { Write::ApplyExisting } else { Write::Apply };
    DesiredObject::new(Rank::Namespace, "namespaces", write, &cx.owner, purpose, body)
}

fn label_map(cx: &Cx<'_>, namespace: &NamespaceFact) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut put = |key: &str, value: &str| labels.insert(key.into(), Value::from(value));
    put(names::DOMAIN_LABEL, cx.owner.domain);
    put(names::MODE_LABEL, cx.mode.label());
    // An apply cannot remove what another wrote; any value but `true` takes nobody's devices.
    if cx.mode >= Mode::Enforce && namespace.labels.contains_key(names::ADMIN_ACCESS_LABEL) {
        put(names::ADMIN_ACCESS_LABEL, "false");
    }
    let security = &cx.resolved.spec.pod_security;
    let mut level = |key: &str, level: &str, version: bool| {
        put(&format!("{LEVELS}{key}"), level);
        if version {
            put(&format!("{LEVELS}{key}-version"), "latest");
        }
    };
    if cx.mode >= Mode::Enforce {
        level("enforce", enforced(cx, namespace).label(), true);
    } else if let Some(asked) = own_level(namespace) {
        // What Enforce wrote over it comes back, and what is its owner's stays as it is.
        level("enforce", asked, false);
    }
    if cx.mode >= Mode::Warn {
        level("warn", security.warn.label(), true);
        level("audit", security.audit.label(), true);
    }
    labels
}

/// The level below which pods are refused: that of the tier, and at least that which the namespace asked for itself, unless
/// the spec says the level.
fn enforced(cx: &Cx<'_>, namespace: &NamespaceFact) -> Level {
    let of_tier = cx.resolved.pod_security;
    if cx.resolved.spec.pod_security.enforce.is_some() {
        return of_tier;
    }
    let asked = asked(namespace).and_then(|asked| level_named(asked));
    asked.map_or(of_tier, |asked| asked.max(of_tier))
}

/// The Pod Security level that a namespace has without its domain: what is to be written where Enforce no longer writes one.
/// None: it has none, or one that the API server does not know.
pub fn own_level(namespace: &NamespaceFact) -> Option<&str> {
    asked(namespace).map(String::as_str).filter(|it| level_named(it).is_some())
}

/// The level that a namespace asked for itself: its label while that is not ours, as it is in Enforce alone; then what was
/// noted before.
fn asked(namespace: &NamespaceFact) -> Option<&String> {
    let is_ours = namespace.labels.get(names::MODE_LABEL).is_some_and(|it| it == Mode::Enforce.label());
    if is_ours { namespace.level.as_ref() } else { namespace.labels.get(&format!("{LEVELS}enforce")) }
}

fn level_named(label: &str) -> Option<Level> {
    [Level::Privileged, Level::Baseline, Level::Restricted].into_iter().find(|it| it.label() == label)
}

/// What the policies read. See the names for the forms.
pub(crate) fn notes(resolved: &Resolved) -> BTreeMap<String, String> {
    let spec = &resolved.spec;
    let mut notes = BTreeMap::new();
    let mut put = |key: &str, value: String| drop(notes.insert(key.to_owned(), value));
    put(names::MOUNTABLE_ANNOTATION, mountable(resolved));
    if let Some(most) = spec.limits.as_ref().and_then(|limits| limits.max_gpus_per_pod) {
        put(names::MAX_GPUS_ANNOTATION, most.to_string());
    }
    // Those that the policy asks for.
    let filled = limit_range::defaults(spec.limits.as_ref()).into_iter().filter(|it| it.limit.is_some());
    let limits: Vec<_> = filled
        .map(|it| it.resource.to_owned())
        .filter(|it| matches!(it.as_str(), "cpu" | "memory"))
        .collect();
    if !limits.is_empty() {
        put(names::DEFAULT_LIMITS_ANNOTATION, listed(limits.into_iter()));
    }
    if !spec.pod_security.allow_devices.is_empty() {
        put(names::DEVICES_ANNOTATION, listed(spec.pod_security.allow_devices.iter().cloned()));
    }
    put(names::JOB_TTL_ANNOTATION, spec.jobs.ttl_seconds_after_finished.to_string());
    match spec.jobs.active_deadline_seconds {
        Some(seconds) => put(names::JOB_DEADLINE_ANNOTATION, seconds.to_string()),
        None if resolved.deadline_required => put(names::JOB_DEADLINE_ANNOTATION, names::REQUIRED.into()),
        None => {}
    }
    if spec.pod_security.shm.auto_mount {
        put(names::SHM_ANNOTATION, spec.pod_security.shm.percent.to_string());
    }
    if spec.nodes.selector.is_some() && spec.nodes.inject_toleration {
        put(names::TOLERATION_ANNOTATION, spec.nodes.taint.key.clone());
    }
    if spec.nodes.selector.is_some() && spec.nodes.inject_node_selector {
        put(names::PLACEMENT_ANNOTATION, "true".into());
    }
    notes
}

fn mountable(resolved: &Resolved) -> String {
    let automount = resolved.spec.access.service_accounts.automount_default;
    let token = automount.then(|| names::DEFAULT_TOKEN.to_owned());
    let Some(it) = &resolved.mountable else {
        return listed(std::iter::once("*".to_owned()).chain(token));
    };
    let accounts = it.service_accounts.iter().map(|name| format!("sa/{name}"));
    let secrets = it.secrets.iter().map(|name| format!("secret/{name}"));
    let claims = it.claims.iter().map(|name| format!("pvc/{name}"));
    // The schema bounds each list to 100 names of 63 bytes.
    listed(accounts.chain(secrets).chain(claims).chain(token))
}

fn listed(items: impl Iterator<Item = String>) -> String {
    items.fold(",".into(), |text, item| text + &item + ",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Asked;
    use crate::desired::desired;
    use crate::facts::ClusterFacts;
    use crate::spec::SecurityDomain;

    /// The Namespace that is written.
    fn drawn(spec: &Value, mode: Mode, namespace: NamespaceFact) -> Value {
        let mut spec = spec.clone();
        spec["namespaces"] = json!({"names": ["ml"]});
        let domain = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain", "metadata": {"name": "a"}, "spec": spec});
        let domain: SecurityDomain = serde_json::from_value(domain).unwrap();
        let facts = ClusterFacts {
            namespaces: Some(vec![namespace]),
            nodes: Some(Vec::new()),
            ..ClusterFacts::default()
        };
        let desired = desired(&[Asked::new(&domain, mode)], &facts);
        desired.objects.into_iter().find(|it| it.id.kind == "Namespace").unwrap().body.tree()
    }

    /// The level that is written, and the fact that the next look finds.
    fn level(spec: &Value, mode: Mode, namespace: NamespaceFact) -> (String, NamespaceFact) {
        let written = drawn(spec, mode, namespace);
        let labels: BTreeMap<String, String> =
            serde_json::from_value(written["metadata"]["labels"].clone()).unwrap();
        let level = written["metadata"]["annotations"][names::LEVEL_ANNOTATION].as_str().map(str::to_owned);
        let enforced = labels.get(ENFORCE).cloned().unwrap_or_default();
        (enforced, NamespaceFact { name: "ml".into(), uid: "u".into(), labels, level, terminating: false })
    }

    const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

    /// A namespace of nobody's.
    fn plain(level: Option<&str>) -> NamespaceFact {
        let labels = level.map(|it| (ENFORCE.to_owned(), it.to_owned()));
        NamespaceFact {
            name: "ml".into(),
            uid: "u".into(),
            labels: labels.into_iter().collect(),
            ..NamespaceFact::default()
        }
    }

    #[test]
    fn what_opens_devices_in_use_is_closed_in_enforce_and_stays_closed() {
        let written = |mode: Mode, live: Option<&str>| {
            let mut fact = plain(None);
            fact.labels.extend(live.map(|it| (names::ADMIN_ACCESS_LABEL.to_owned(), it.to_owned())));
            let namespace = drawn(&json!({}), mode, fact);
            namespace["metadata"]["labels"][names::ADMIN_ACCESS_LABEL].as_str().map(str::to_owned)
        };
        assert_eq!(written(Mode::Enforce, Some("true")).as_deref(), Some("false"));
        // What we wrote ourselves: dropping it would be a write more, and a door for a moment.
        assert_eq!(written(Mode::Enforce, Some("false")).as_deref(), Some("false"));
        assert_eq!(written(Mode::Enforce, None), None);
        assert_eq!(written(Mode::Warn, Some("true")), None);
    }

    #[test]
    fn a_namespace_keeps_the_level_it_asked_for_and_not_the_one_a_tier_gave_it() {
        let enforced = |spec: &Value, fact| level(spec, Mode::Enforce, fact);
        let (first, next) = enforced(&json!({}), plain(Some("restricted")));
        let (second, _) = enforced(&json!({}), next);
        assert_eq!((first.as_str(), second.as_str()), ("restricted", "restricted"));
        let (sealed, next) = enforced(&json!({"tier": "Sealed"}), plain(None));
        let (lowered, _) = enforced(&json!({}), next);
        assert_eq!((sealed.as_str(), lowered.as_str()), ("restricted", "baseline"));
        let said = json!({"podSecurity": {"enforce": "baseline"}});
        assert_eq!(enforced(&said, plain(Some("restricted"))).0, "baseline");
    }

    #[test]
    fn a_namespace_gets_its_own_level_back_below_enforce() {
        let sealed = json!({"tier": "Sealed"});
        let (first, next) = level(&sealed, Mode::Enforce, plain(Some("baseline")));
        let (lowered, next) = level(&sealed, Mode::Observe, next);
        let (after, _) = level(&sealed, Mode::Warn, next);
        assert_eq!([first, lowered, after], ["restricted", "baseline", "baseline"]);
        // One that came without goes without.
        let (_, next) = level(&sealed, Mode::Enforce, plain(None));
        assert_eq!(level(&sealed, Mode::Observe, next).0, "");
    }

    #[test]
    fn enforce_does_not_lower_the_level_that_its_owner_chose_while_the_domain_watched() {
        let (_, mut next) = level(&json!({}), Mode::Observe, plain(None));
        next.labels.insert(ENFORCE.into(), "restricted".into());
        let (watched, next) = level(&json!({}), Mode::Observe, next);
        let (enforced, next) = level(&json!({}), Mode::Enforce, next);
        assert_eq!([watched, enforced], ["restricted", "restricted"]);
        // Nor does it bring one back that its owner took off since.
        let (_, mut next) = level(&json!({}), Mode::Observe, next);
        next.labels.remove(ENFORCE);
        assert_eq!(level(&json!({}), Mode::Enforce, next).0, "baseline");
    }
}
