//! Room `domain`: ServiceAccount `default` (guide 32). Only its automount: other accounts belong to their owners.

use serde_json::json;

use super::Cx;
use crate::object::DesiredObject;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::spec::Mode;

/// ServiceAccount `default` of a namespace.
pub(crate) fn default(cx: &Cx<'_>, namespace: &str) -> DesiredObject {
    let body = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
        "automountServiceAccountToken": cx.resolved.spec.access.service_accounts.automount_default,
    });
    let purpose = Purpose { min_mode: Mode::Enforce, controls: &["RF-RBAC-008"], guide: &[32] };
    DesiredObject::new(Rank::Inside, "serviceaccounts", Write::ApplyExisting, &cx.owner, purpose, body)
}
