//! Room `domain`: ExternalSecrets (guide 18, 19, 24) in `external-secrets.io/v1`. Version v1beta1, which the guide shows,
//! has not been served since External Secrets Operator 0.17.

use serde_json::json;

use super::Cx;
use crate::object::DesiredObject;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::spec::Mode;
use crate::spec::SecretItem;
use crate::spec::StoreRef;
use crate::tier::Problem;

const GROUP: &str = "external-secrets.io";

/// The ExternalSecrets of a namespace; none where v1 is known not to be served.
pub(crate) fn write(cx: &Cx<'_>, namespace: &str, objects: &mut Vec<DesiredObject>) {
    let secrets = &cx.resolved.spec.secrets;
    let Some(store) = &secrets.store else { return };
    if serves(cx, "v1") == Some(false) {
        return;
    }
    for item in &secrets.items {
        objects.push(external_secret(cx, namespace, store, item));
    }
}

/// Why no ExternalSecret is written, if some are wanted.
pub(crate) fn unknown(cx: &Cx<'_>) -> Option<Problem> {
    if cx.resolved.spec.secrets.items.is_empty() || serves(cx, "v1") != Some(false) {
        return None;
    }
    let old = ["v1beta1", "v1alpha1"].into_iter().find(|it| serves(cx, it) == Some(true));
    Some(match old {
        Some(old) => Problem::new(
            "spec.secrets.items",
            format!(
                "the cluster serves ExternalSecret only as {GROUP}/{old}, which current releases no longer serve"
            ),
            "upgrade the External Secrets Operator to 0.16 or newer; its v1 is written then",
        ),
        None => Problem::new(
            "spec.secrets.items",
            "the cluster does not serve ExternalSecret",
            "install the External Secrets Operator",
        ),
    })
}

fn serves(cx: &Cx<'_>, version: &str) -> Option<bool> {
    cx.facts.serves(GROUP, version, "ExternalSecret")
}

fn external_secret(cx: &Cx<'_>, namespace: &str, store: &StoreRef, item: &SecretItem) -> DesiredObject {
    let mut remote = json!({"key": item.remote_key});
    if let Some(property) = &item.property {
        remote["property"] = property.as_str().into();
    }
    let key = item.secret_key.as_ref().or(item.property.as_ref()).unwrap_or(&item.name);
    let body = json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": "ExternalSecret",
        "metadata": {"name": format!("rf-{}", item.name), "namespace": namespace},
        "spec": {
            "refreshPolicy": "Periodic",
            "refreshInterval": cx.resolved.spec.secrets.refresh_interval,
            "secretStoreRef": {"kind": store.kind.name(), "name": store.name},
            "target": {"name": item.name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": [{"secretKey": key, "remoteRef": remote}],
        },
    });
    let purpose =
        Purpose { min_mode: Mode::Enforce, controls: &["RF-SEC-003", "RF-SEC-006"], guide: &[18, 19, 24] };
    DesiredObject::new(Rank::Inside, "externalsecrets", Write::Apply, &cx.owner, purpose, body)
}
