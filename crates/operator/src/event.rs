//! Room `operator`: events on a SecurityDomain, for who asks `kubectl describe`. They are told beside the work and never
//! hold it up. The client's own recorder would count a second event of the same reason under the words of the first.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::Client;
use kube::Resource as _;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use kube::api::PostParams;
use ringfence_domain::SecurityDomain;
use ringfence_domain::names;
use tokio::sync::Semaphore;

/// Longest time of one request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest note that the API server takes, in bytes (`events.k8s.io/v1`).
const LONGEST: usize = 1024;
/// Events on their way at the same time.
const MOST: usize = 32;
/// Events of what belongs to the cluster stand here.
const NAMESPACE: &str = "default";

/// Who tells.
#[derive(Clone)]
pub(crate) struct Events {
    client: Client,
    identity: String,
    room: Arc<Semaphore>,
}

impl Events {
    /// Tells as this replica.
    pub(crate) fn new(client: Client, identity: &str) -> Self {
        Self { client, identity: identity.into(), room: Arc::new(Semaphore::new(MOST)) }
    }

    /// Something was restored.
    pub(crate) fn drift(&self, domain: &SecurityDomain, words: &str) {
        // Who changes ten thousand objects at once is named by the first, and all of them stand in the log.
        let Ok(place) = self.room.clone().try_acquire_owned() else { return };
        let now = Timestamp::now();
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", domain.name_any(), now.as_nanosecond())),
                namespace: Some(NAMESPACE.into()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            action: Some("Restore".into()),
            reason: Some("DriftRestored".into()),
            type_: Some("Warning".into()),
            note: Some(words.get(..words.floor_char_boundary(LONGEST)).unwrap_or_default().into()),
            regarding: Some(domain.object_ref(&())),
            reporting_controller: Some(names::FIELD_MANAGER.into()),
            reporting_instance: Some(self.identity.clone()),
            ..Event::default()
        };
        let events: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        tokio::spawn(async move {
            let _place = place;
            let params = PostParams::default();
            // A cluster that takes no events is still kept in order.
            let _ = tokio::time::timeout(PATIENCE, events.create(&params, &event)).await;
        });
    }
}
