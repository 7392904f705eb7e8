//! Room `domain`: the policy `services`. An external address of a Service is taken from whoever else sends to it, on every
//! node: with the address of a registry or a store on it, pods of the author's choice answer the whole namespace where its
//! fence lets traffic out to that address.

use serde_json::json;

use super::render::Policy;
use super::render::by_mode;
use super::render::constraints;
use super::render::matched;
use super::render::validation;
use crate::object::DesiredObject;

/// Refuses external addresses on Services in namespaces of a domain.
pub(super) fn guard() -> Vec<DesiredObject> {
    let policy = Policy {
        stem: "services",
        mutates: false,
        guide: &[14],
        controls: vec!["RF-NET-007"],
        spec: json!({
            "failurePolicy": "Fail",
            "matchConstraints": constraints(&[matched("", &["services"], &["CREATE", "UPDATE"])]),
            // One that is older may still lose a finalizer.
            "validations": [validation(
                "!has(object.spec.externalIPs) || size(object.spec.externalIPs) == 0 || (request.operation == 'UPDATE' && \
                 object.spec == oldObject.spec)",
                "RF-NET-007 spec.externalIPs: takes the traffic of others for these addresses, and opens its pods to who \
                 reaches a node. Fix: remove externalIPs; let clients come through a gateway that spec.network.ingress of \
                 the SecurityDomain names.",
            )],
        }),
    };
    policy.bound(by_mode())
}
