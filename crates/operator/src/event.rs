//! Room `operator`: events on a SecurityDomain, for who asks `kubectl describe`. They are told beside the work and never
//! hold it up.

use std::time::Duration;

use kube::Client;
use kube::Resource as _;
use kube::runtime::events::Event;
use kube::runtime::events::EventType;
use kube::runtime::events::Recorder;
use kube::runtime::events::Reporter;
use ringfence_domain::SecurityDomain;

/// Longest time of one request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest note that the API server takes (`events.k8s.io/v1`).
const LONGEST: usize = 1024;

/// Who tells.
#[derive(Clone)]
pub(crate) struct Events(Recorder);

impl Events {
    /// Tells as this replica.
    pub(crate) fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: ringfence_domain::names::FIELD_MANAGER.into(),
            instance: Some(identity.into()),
        };
        Self(Recorder::new(client, reporter))
    }

    /// Something was restored.
    pub(crate) fn drift(&self, domain: &SecurityDomain, words: &str) {
        let event = Event {
            type_: EventType::Warning,
            reason: "DriftRestored".into(),
            note: Some(words.chars().take(LONGEST / 4).collect()),
            action: "Restore".into(),
            secondary: None,
        };
        let (recorder, about) = (self.0.clone(), domain.object_ref(&()));
        tokio::spawn(async move {
            // A cluster that takes no events is still kept in order.
            let _ = tokio::time::timeout(PATIENCE, recorder.publish(&event, &about)).await;
        });
    }
}
