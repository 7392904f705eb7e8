//! Room `domain`: the policy `network`. NetworkPolicies only add up, so that one of a chart or a team opens again what the
//! domain closed. Who is exempt is told by user, never by field manager, which a client chooses.

use serde_json::Value;
use serde_json::json;

use super::Rules;
use super::render::Policy;
use super::render::by_mode;
use super::render::constraints;
use super::render::matched;
use super::render::named;
use super::render::validation;
use crate::facts::Dns;
use crate::names;
use crate::object::DesiredObject;
use crate::rule::case::list;
use crate::rule::case::object;
use crate::rule::case::text;
use crate::rule::cel;

/// Guards our NetworkPolicies and judges the egress of all others in namespaces of a domain.
pub(super) fn guard(rules: &Rules) -> Vec<DesiredObject> {
    // They remove what a namespace leaves when it goes; the last does where its controllers have no accounts of their own
    // (`--use-service-account-credentials` is off).
    let cleaners = [
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:serviceaccount:kube-system:namespace-controller",
        "system:kube-controller-manager",
    ];
    let exempt = cel::list(std::iter::once(rules.operator.as_str()).chain(cleaners));
    let policy = Policy {
        stem: "network",
        mutates: false,
        guide: &[14, 17, 34],
        controls: vec!["RF-RBAC-006", "RF-NET-002"],
        spec: json!({
            "failurePolicy": "Fail",
            "matchConstraints": constraints(&[matched(
                    "networking.k8s.io",
                    &["networkpolicies"],
                    &["CREATE", "UPDATE", "DELETE"],
                )]),
            "matchConditions": [
                named("not-exempt", &format!("!(request.userInfo.username in {exempt})")),
            ],
            "validations": [
                validation(&untouched(), "RF-RBAC-006 metadata.labels: NetworkPolicies with label ringfence.dev/domain are \
                    kept by Ringfence. Fix: change spec.network of the SecurityDomain; policies of your own carry other \
                    labels."),
                validation(&narrow(&rules.dns), "RF-NET-002 spec.egress: opens the way out of the security domain; \
                    NetworkPolicies only add up. Fix: name pods of this namespace, or have the destination added to \
                    spec.network.egress of the SecurityDomain."),
            ],
        }),
    };
    policy.bound(by_mode())
}

/// CEL: neither the old nor the new object is ours.
fn untouched() -> String {
    let label = cel::text(names::DOMAIN_LABEL);
    let ours = |it: &str| format!("(has({it}.metadata.labels) && {label} in {it}.metadata.labels)");
    format!(
        "(request.operation == 'CREATE' || !{}) && (request.operation == 'DELETE' || !{})",
        ours("oldObject"),
        ours("object")
    )
}

/// CEL: each rule names pods of this namespace, or the cluster's DNS on its ports. A policy that stood before may still
/// lose a finalizer.
fn narrow(dns: &Dns) -> String {
    let labels = dns.labels.iter().map(|(key, value)| {
        let (key, value) = (cel::text(key), cel::text(value));
        format!("{key} in p.podSelector.matchLabels && p.podSelector.matchLabels[{key}] == {value}")
    });
    let labels: Vec<_> = labels.collect();
    let ports: Vec<_> = dns.ports.iter().map(u16::to_string).collect();
    let ports = cel::list(ports.iter().map(String::as_str));
    let namespace = "p.namespaceSelector.matchLabels['kubernetes.io/metadata.name']";
    format!(
        "request.operation == 'DELETE' || (request.operation == 'UPDATE' && object.spec == oldObject.spec) || \
         !has(object.spec.egress) || object.spec.egress.all(r, has(r.to) && size(r.to) > 0 && r.to.all(p, \
         !has(p.ipBlock) && has(p.podSelector) && (!has(p.namespaceSelector) || (has(p.namespaceSelector.matchLabels) && \
         'kubernetes.io/metadata.name' in p.namespaceSelector.matchLabels && ({namespace} == request.namespace || \
         ({namespace} == {} && has(p.podSelector.matchLabels) && {} && has(r.ports) && size(r.ports) > 0 && \
         r.ports.all(q, has(q.port) && !has(q.endPort) && string(q.port) in {ports})))))))",
        cel::text(&dns.namespace),
        labels.join(" && "),
    )
}

impl Rules {
    /// Whether a NetworkPolicy opens a way out of its domain: what the policy `network` refuses to everybody but the
    /// controller. One that is older than the domain was never asked about.
    pub fn opens(&self, policy: &Value) -> bool {
        let namespace = policy.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
        let rules = policy.get("spec").into_iter().flat_map(|it| list(it, "egress"));
        let is_narrow = |rule: &Value| {
            let mut peers = list(rule, "to").peekable();
            peers.peek().is_some() && peers.all(|peer| stays(peer, rule, namespace, &self.dns))
        };
        !rules.into_iter().all(is_narrow)
    }
}

/// Whether a peer of a rule is of this namespace, or the cluster's DNS on its ports.
fn stays(peer: &Value, rule: &Value, namespace: &str, dns: &Dns) -> bool {
    let (Some(pods), None) = (object(peer, "podSelector"), object(peer, "ipBlock")) else { return false };
    let Some(selector) = object(peer, "namespaceSelector") else { return true };
    let named = selector.pointer("/matchLabels/kubernetes.io~1metadata.name").and_then(Value::as_str);
    if named == Some(namespace) {
        return true;
    }
    let is_dns = named == Some(dns.namespace.as_str())
        && object(pods, "matchLabels")
            .is_some_and(|it| dns.labels.iter().all(|(key, value)| text(it, key) == Some(value)));
    let is_port = |it: &Value| {
        let number = it.get("port").and_then(Value::as_u64).and_then(|it| it.try_into().ok());
        number.is_some_and(|it| dns.ports.contains(&it)) && it.get("endPort").is_none_or(Value::is_null)
    };
    let mut ports = list(rule, "ports").peekable();
    is_dns && ports.peek().is_some() && ports.all(is_port)
}
