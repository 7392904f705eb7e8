//! Room `domain`: the policy `network`. NetworkPolicies only add up, so that one of a chart or a team opens again what the
//! domain closed. Who is exempt is told by user, never by field manager, which a client chooses.

use serde_json::json;

use super::Rules;
use super::render::Policy;
use super::render::by_mode;
use super::render::condition;
use super::render::matched;
use super::render::validation;
use crate::facts::Dns;
use crate::names;
use crate::object::DesiredObject;
use crate::rule::cel;

/// Guards our NetworkPolicies and judges the egress of all others in namespaces of a domain.
pub(super) fn guard(rules: &Rules) -> Vec<DesiredObject> {
    // They remove what a namespace leaves when it goes.
    let cleaners = [
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:serviceaccount:kube-system:namespace-controller",
    ];
    let exempt = cel::list(std::iter::once(rules.operator.as_str()).chain(cleaners));
    let policy = Policy {
        stem: "network",
        mutates: false,
        guide: &[14, 17, 34],
        controls: vec!["RF-RBAC-006", "RF-NET-002"],
        spec: json!({
            "failurePolicy": "Fail",
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "resourceRules": [matched(
                    "networking.k8s.io",
                    &["networkpolicies"],
                    &["CREATE", "UPDATE", "DELETE"],
                )],
            },
            "matchConditions": [
                condition("not-exempt", &format!("!(request.userInfo.username in {exempt})")),
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
