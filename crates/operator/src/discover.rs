//! Room `operator`: what the API server serves, by two requests (aggregated discovery, Kubernetes 1.30 and newer).

use std::collections::BTreeSet;

use kube::Client;
use kube::api::GetParams;
use kube::core::Request;
use serde_json::Value;

use crate::error::Error;

/// Issuer of the cluster's tokens, by OpenID Connect discovery, which every account may read; none where it is not served.
pub(crate) async fn issuer(client: &Client) -> Option<String> {
    let request = Request::new("/.well-known").get("openid-configuration", &GetParams::default()).ok()?;
    let found: Value = client.request(request).await.ok()?;
    found.get("issuer").and_then(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned)
}

/// Served kinds as `group/version/Kind`, the core group empty.
pub(crate) async fn served(client: &Client) -> Result<BTreeSet<String>, Error> {
    let failed = |error| Error::request("get", "API discovery", error);
    let core = client.list_core_api_versions_aggregated().await.map_err(failed)?;
    let groups = client.list_api_groups_aggregated().await.map_err(failed)?;
    let mut served = BTreeSet::new();
    for group in core.items.iter().chain(&groups.items) {
        let name = group.metadata.as_ref().and_then(|it| it.name.as_deref()).unwrap_or_default();
        for version in &group.versions {
            let version_name = version.version.as_deref().unwrap_or_default();
            let kinds = version.resources.iter().filter_map(|it| it.response_kind.as_ref()?.kind.as_deref());
            served.extend(kinds.map(|kind| format!("{name}/{version_name}/{kind}")));
        }
    }
    Ok(served)
}
