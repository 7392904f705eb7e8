//! RF-NET-006: one NetworkPolicy in, the namespace labels that it trusts and that tenants can write out.

use std::collections::BTreeMap;

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::selector::Match;
use ringfence_inventory::selector::label_selector;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A namespace label that its editors can write is no proof of who lives there.
///
/// ## What it sees
/// Every `namespaceSelector` in `from` and `to` of the NetworkPolicies of a namespace that holds an AI workload,
/// `matchLabels` and `matchExpressions` alike, that selects by keys other than `kubernetes.io/metadata.name` (set by
/// the API server, nobody can forge it) and `ringfence.dev/domain` (guarded by admission). A selector that also pins
/// the name is right: all its terms must hold. The empty selector is another flaw: it trusts everybody openly.
///
/// ## Why it matters for AI
/// The peers of a model server or a vector store are other teams' namespaces. Whoever may create or edit a namespace
/// (self-service platforms hand that out) writes the label and is let in: to the model, to the embeddings, to the
/// registry that the policy lets the training job talk to.
///
/// ## Bad
/// ```yaml
/// ingress:
///   - from:
///       - namespaceSelector: {matchLabels: {team: agents}}
/// ```
///
/// ## Good
/// ```yaml
/// ingress:
///   - from:
///       - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: agents}}
/// ```
///
/// ## Fix and its side effects
/// Select by `kubernetes.io/metadata.name`, several names with `operator: In`. Namespaces that get the label later are
/// no longer let in by themselves: that is the point. Safe only when every namespace that carries the label now is
/// known; the finding names those of the set.
///
/// ## When it is unknown
/// Never: the selector is in the policy itself.
///
/// ## References
/// - guide: G16, H2
/// - NIST 800-53r5: SC-7
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Net, 6),
        slug: "spoofable-namespace-label",
        title: "NetworkPolicy trusts a namespace label that tenants can write",
        risk: "whoever can edit a namespace gives it the label and is let through to the model, its data or its registry",
        cure: "select the namespace by `kubernetes.io/metadata.name`, which the API server sets",
        severity: Severity::Medium,
        fix: FixClass::Safe,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "G16" },
            Reference { framework: "guide", version: "1", id: "H2" },
            Reference { framework: "NIST 800-53", version: "r5", id: "SC-7" },
        ],
    },
    check: Check::Object(&[("networking.k8s.io", "NetworkPolicy")], check),
};

/// Labels that a namespace's editors cannot write as they like.
const PROTECTED: &[&str] = &["kubernetes.io/metadata.name", "ringfence.dev/domain"];

fn check(cx: &Cx<'_>, _id: ObjectId, policy: &Object, results: &mut Results<'_>) {
    let namespace = cx.inventory.namespaces.named(policy.namespace.as_deref());
    if !namespace.is_some_and(|namespace| cx.inventory.is_ai_namespace(namespace)) {
        results.not_applicable();
        return;
    }
    let mut by_key: BTreeMap<&str, Vec<(Value<'_>, Value<'_>)>> = BTreeMap::new();
    for selector in selectors(policy) {
        if is_pinned(selector) {
            continue;
        }
        for (key, at) in keys(selector).filter(|(key, _)| !PROTECTED.contains(key)) {
            by_key.entry(key).or_default().push((at, selector));
        }
    }
    for (key, places) in by_key {
        let Some(((first, _), others)) = places.split_first() else { continue };
        let message = format!("trusts namespaces by their label `{key}`");
        let mut hit = Hit::at(policy, *first, message).field(without_indexes(&policy.field(*first)));
        for (other, _) in others {
            hit = hit.also_at(policy, *other);
        }
        let mut carriers = Vec::new();
        for (_, selector) in &places {
            carriers.extend(selected(cx, *selector));
        }
        carriers.sort_by_key(|(name, _)| *name);
        carriers.dedup_by_key(|(name, _)| *name);
        for (_, object) in &carriers {
            hit = hit.supported_by_fact(object, "carries the label now");
        }
        let names: Vec<&str> = carriers.iter().map(|(name, _)| *name).collect();
        match names.as_slice() {
            [] => {}
            [name] => hit = hit.cure(format!("select `kubernetes.io/metadata.name: {name}`")),
            names => {
                let names = names.join(", ");
                hit =
                    hit.cure(format!("select `kubernetes.io/metadata.name` with operator In and [{names}]"));
            }
        }
        results.fail(hit);
    }
}

/// Namespace selectors of all peers.
fn selectors(policy: &Object) -> impl Iterator<Item = Value<'_>> {
    [("ingress", "from"), ("egress", "to")].into_iter().flat_map(move |(direction, peers)| {
        let rules = policy.spec().and_then(|spec| spec.get(direction)).into_iter().flat_map(Value::items);
        let peers = rules.filter_map(move |rule| rule.get(peers)).flat_map(Value::items);
        peers.filter_map(|peer| peer.get("namespaceSelector"))
    })
}

/// Whether a protected label says which namespaces: the other terms then only narrow it.
fn is_pinned(selector: Value<'_>) -> bool {
    let expressions = selector.get("matchExpressions").into_iter().flat_map(Value::items);
    let mut pinning = expressions.filter(|one| one.str_at("operator") == Some("In"));
    let pairs = selector.get("matchLabels").into_iter().flat_map(Value::entries);
    pairs.into_iter().any(|(key, _)| PROTECTED.contains(&key))
        || pinning.any(|one| one.str_at("key").is_some_and(|key| PROTECTED.contains(&key)))
}

/// Label keys of a selector and where they are asked for.
fn keys(selector: Value<'_>) -> impl Iterator<Item = (&str, Value<'_>)> {
    let pairs = selector.get("matchLabels").into_iter().flat_map(Value::entries);
    let expressions = selector.get("matchExpressions").into_iter().flat_map(Value::items);
    pairs.chain(expressions.filter_map(|one| {
        let key = one.get("key")?;
        Some((key.text()?, key))
    }))
}

/// Namespaces of the set that the selector lets in.
fn selected<'i>(cx: &Cx<'i>, selector: Value<'_>) -> Vec<(&'i str, &'i Object)> {
    let inventory = cx.inventory;
    let known = inventory.namespaces.iter().filter_map(|(name, namespace)| Some((name?, namespace.object?)));
    let selected = known
        .filter(|(name, _)| label_selector(selector, inventory.namespace_labels(Some(name))) == Match::Yes);
    selected.map(|(name, id)| (name, inventory.object(id))).collect()
}

/// `spec.ingress[0].from[1].x` -> `spec.ingress.from.x`
fn without_indexes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        match after.split_once(']') {
            Some((inside, behind)) if inside.bytes().all(|byte| byte.is_ascii_digit()) => rest = behind,
            _ => {
                out.push('[');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_label() {
        insta::assert_snapshot!(one_line("spoofable-namespace-label", "bad"), @"MEDIUM RF-NET-006 NetworkPolicy/ml/allow-gateway: trusts namespaces by their label `team`");
    }

    #[test]
    fn good_fixture_pins_the_name_beside_it() {
        insta::assert_snapshot!(one_line("spoofable-namespace-label", "good"), @"");
    }

    fn policy(rules: &str) -> String {
        format!(
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: r, namespace: ml}}
spec: {{headGroupSpec: {{template: {{spec: {{containers: [{{name: h, image: ray}}]}}}}}}}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: search, labels: {{team: agents}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: p, namespace: ml}}
spec: {{podSelector: {{}}, policyTypes: [Ingress, Egress], {rules}}}
"
        )
    }

    #[test]
    fn one_finding_a_key_with_all_its_places_and_the_names_to_write_instead() {
        let findings = judged(
            "RF-NET-006",
            &policy(
                "ingress: [{from: [{namespaceSelector: {matchLabels: {team: agents}}}]}], egress: [{to: [{podSelector: {}}, {namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}}]}]",
            ),
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].field, "spec.ingress.from.namespaceSelector.matchLabels.team");
        assert_eq!(findings[0].evidence.len(), 3);
        assert_eq!(findings[0].fix.as_ref().unwrap().summary, "select `kubernetes.io/metadata.name: search`");
    }

    #[test]
    fn pinned_empty_and_protected_selectors_pass() {
        for selector in [
            "{}",
            "{matchLabels: {kubernetes.io/metadata.name: search, team: agents}}",
            "{matchLabels: {ringfence.dev/domain: a}}",
            "{matchLabels: {team: agents}, matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [a]}]}",
        ] {
            let findings = judged(
                "RF-NET-006",
                &policy(&format!("ingress: [{{from: [{{namespaceSelector: {selector}}}]}}]")),
            );
            assert_eq!(findings.len(), 0, "{selector}");
        }
        // Not these names, but any label: the name does not say which namespaces come in.
        let negative = "{matchLabels: {team: agents}, matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [a]}]}";
        let findings = judged(
            "RF-NET-006",
            &policy(&format!("ingress: [{{from: [{{namespaceSelector: {negative}}}]}}]")),
        );
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn a_policy_of_a_namespace_without_ai_is_not_judged() {
        let findings = judged(
            "RF-NET-006",
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: web}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: agents}}}]}]}
",
        );
        assert_eq!(findings.len(), 0);
    }

    #[test]
    fn only_indexes_leave_a_path() {
        assert_eq!(without_indexes("a[0].b[name=x][12].c[\"k[1]\"]"), "a.b[name=x].c[\"k\"]");
    }
}
