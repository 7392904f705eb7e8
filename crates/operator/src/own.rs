//! Room `operator`: what is written to a SecurityDomain itself: finalizer, inventory, status. Always upon the state that was
//! read: a domain that changed in between is looked at again first.

use std::time::Duration;

use kube::Api;
use kube::Client;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use ringfence_domain::SecurityDomain;
use ringfence_domain::names;
use ringfence_domain::spec::InventoryEntry;
use ringfence_domain::spec::SecurityDomainStatus;
use serde_json::Value;
use serde_json::json;

use crate::source::Source;
use crate::store::Key;
use crate::store::Live;

/// Longest time of one request.
const PATIENCE: Duration = Duration::from_secs(5);

/// A merge patch of a domain.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// Which domain.
    pub(crate) key: Key,
    body: Value,
    is_status: bool,
}

impl Own {
    /// Puts our finalizer on or takes it off.
    pub(crate) fn finalizer(domain: &SecurityDomain, on: bool) -> Self {
        let others = domain.finalizers().iter().filter(|it| *it != names::FINALIZER).cloned();
        let ours = on.then(|| names::FINALIZER.to_owned());
        let finalizers: Vec<String> = others.chain(ours).collect();
        Self::new(domain, json!({"metadata": {"finalizers": finalizers}}), false)
    }

    /// Writes what is going to be written.
    pub(crate) fn inventory(domain: &SecurityDomain, entries: &[InventoryEntry]) -> Self {
        Self::new(domain, json!({"status": {"inventory": entries}}), true)
    }

    /// Writes a status; none if nothing in it is new.
    pub(crate) fn status(domain: &SecurityDomain, status: &SecurityDomainStatus) -> Option<Self> {
        if domain.status.as_ref() == Some(status) {
            return None;
        }
        let mut value = serde_json::to_value(status).ok()?;
        // Absent is not removed by a merge.
        for list in ["inventory", "conditions"] {
            if value.get(list).is_none() {
                value[list] = json!([]);
            }
        }
        if status.effective_modes.held.is_none() {
            value["effectiveModes"]["held"] = Value::Null;
        }
        if status.accepted_spec.is_none() {
            value["acceptedSpec"] = Value::Null;
        }
        for list in ["owners", "missing"] {
            if let Some(simulation) = value.get_mut("simulation").filter(|it| it.get(list).is_none()) {
                simulation[list] = json!([]);
            }
        }
        Some(Self::new(domain, json!({"status": value}), true))
    }

    fn new(domain: &SecurityDomain, mut body: Value, is_status: bool) -> Self {
        body["metadata"]["resourceVersion"] = domain.resource_version().into();
        body["metadata"]["uid"] = domain.uid().into();
        Self { key: Key::global(Source::Domains, &domain.name_any()), body, is_status }
    }

    /// Sends it.
    ///
    /// # Errors
    /// The server's words.
    pub(crate) async fn send(&self, client: &Client) -> Result<Live, String> {
        let api: Api<DynamicObject> = self.key.api(client);
        let params =
            PatchParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Merge(&self.body);
        let request = async {
            if self.is_status {
                api.patch_status(&self.key.name, &params, &patch).await
            } else {
                api.patch(&self.key.name, &params, &patch).await
            }
        };
        let answer =
            tokio::time::timeout(PATIENCE, request).await.map_err(|_| "no answer within 5 s".to_owned())?;
        let object = answer.map_err(|error| match error {
            kube::Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        })?;
        let value = serde_json::to_value(object).map_err(|error| error.to_string())?;
        Ok(Live::new(Source::Domains, value))
    }
}
