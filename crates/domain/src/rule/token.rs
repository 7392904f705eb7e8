//! Room `domain`: RF-RBAC-008, pods that carry a token for the API server (guide 32). The volume that admission injects is
//! judged, not the field: a pod without the field carries none where its account says so.

use serde_json::Value;

use super::Rule;
use super::case::Case;
use super::case::list;
use super::case::text;

/// Entry of the mountable list where the token of ServiceAccount `default` is meant.
pub(crate) const DEFAULT_TOKEN: &str = "token/default";

pub(super) const INSIDE: &[Rule] = &[Rule {
    message: "RF-RBAC-008 spec.automountServiceAccountToken: the pod carries a token for the API server. Fix: set \
              automountServiceAccountToken: false; if it talks to Kubernetes, give it a ServiceAccount of its own that \
              access.mountable.serviceAccounts of the SecurityDomain lists.",
    // A token for another audience opens nothing here; an empty one is the API server's.
    cel: |_| {
        format!(
            "(variables.sa == 'default' ? variables.mnt.contains(',{DEFAULT_TOKEN},') : (variables.free || \
             variables.mnt.contains(',sa/' + variables.sa + ','))) || variables.vols.all(v, !has(v.projected) || \
             !has(v.projected.sources) || v.projected.sources.all(s, !has(s.serviceAccountToken) || \
             (has(s.serviceAccountToken.audience) && s.serviceAccountToken.audience != '')))"
        )
    },
    holds: |case| may_carry(case) || !case.volumes().any(is_token),
}];

fn may_carry(case: &Case<'_>) -> bool {
    match case.account() {
        "default" => case.note(crate::names::MOUNTABLE_ANNOTATION).contains(&format!(",{DEFAULT_TOKEN},")),
        account => !case.is_unlisted("sa", account),
    }
}

fn is_token(volume: &Value) -> bool {
    let sources = volume.get("projected").into_iter().flat_map(|it| list(it, "sources"));
    sources
        .filter_map(|it| it.get("serviceAccountToken").filter(|it| it.is_object()))
        .any(|it| text(it, "audience").is_none())
}
