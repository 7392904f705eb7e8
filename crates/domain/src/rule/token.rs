//! Room `domain`: RF-RBAC-008, pods that carry a token for the API server (guide 32). The volume that admission injects is
//! judged, not the field: a pod without the field carries none where its account says so.

use serde_json::Value;

use super::Rule;
use super::case::Case;
use super::case::list;
use super::case::text;
use super::cel;
use crate::names;
use crate::names::DEFAULT_TOKEN;

pub(super) const INSIDE: &[Rule] = &[Rule {
    message: "RF-RBAC-008 spec.automountServiceAccountToken: the pod carries a token for the API server. Fix: set \
              automountServiceAccountToken: false; if it talks to Kubernetes, give it a ServiceAccount of its own that \
              access.mountable.serviceAccounts of the SecurityDomain lists.",
    // A token for another audience opens nothing here; an empty one is the API server's, and so is that of its own name.
    // Before Enforce the account
    // `default` still mounts one unasked, which Enforce ends: no word about it.
    cel: |rules| {
        let own = cel::list(rules.audiences.iter().map(String::as_str));
        format!(
            "(variables.sa == 'default' ? variables.mnt.contains(',{DEFAULT_TOKEN},') : (variables.free || \
             variables.mnt.contains(',sa/' + variables.sa + ','))) || variables.vols.all(v, !has(v.projected) || \
             !has(v.projected.sources) || v.projected.sources.all(s, !has(s.serviceAccountToken) || \
             (has(s.serviceAccountToken.audience) && s.serviceAccountToken.audience != '' && \
             !(s.serviceAccountToken.audience in {own}))) || (variables.mode != \
             'enforce' && variables.sa == 'default' && v.name.startsWith('kube-api-access-') && \
             !(has(variables.spec.automountServiceAccountToken) && variables.spec.automountServiceAccountToken)))"
        )
    },
    holds: |case| may_carry(case) || !case.volumes().any(|it| is_token(case, it)),
}];

fn may_carry(case: &Case<'_>) -> bool {
    match case.account() {
        "default" => case.note(names::MOUNTABLE_ANNOTATION).contains(&format!(",{DEFAULT_TOKEN},")),
        account => !case.is_unlisted("sa", account),
    }
}

fn is_token(case: &Case<'_>, volume: &Value) -> bool {
    let sources = volume.get("projected").into_iter().flat_map(|it| list(it, "sources"));
    sources
        .filter_map(|it| it.get("serviceAccountToken").filter(|it| it.is_object()))
        .any(|it| text(it, "audience").is_none_or(|it| case.rules.audiences.contains(it)))
}
