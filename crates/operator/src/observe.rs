//! Room `operator`: desired objects against a cluster, once, for commands: what a write would do to each, asked of the API
//! server itself by dry-run. Nothing is changed.

use futures::StreamExt as _;
use kube::Api;
use kube::Client;
use kube::api::ApiResource;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::core::GroupVersionKind;
use ringfence_domain::DesiredObject;
use ringfence_domain::Drift;
use ringfence_domain::ObjectKey;
use ringfence_domain::Write;
use ringfence_domain::compare;
use ringfence_domain::names;
use serde_json::Value;

/// Requests at the same time.
const CONCURRENCY: usize = 16;

/// What a write of a desired object would do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It is not there.
    Create,
    /// It is there as it should be.
    Keep,
    /// These fields would change.
    Update(Vec<Drift>),
    /// These fields would change, and others claim them: who, in the API server's words.
    Contest(Vec<Drift>, String),
    /// The API server would refuse it: its words.
    Refuse(String),
    /// It could not be looked at: why.
    Unknown(String),
}

/// What a desired object would meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Which.
    pub id: ObjectKey,
    /// What a write would do.
    pub effect: Effect,
    /// Who wrote fields of the live object, newest last, as `manager (operation, time)`.
    pub managers: Vec<String>,
}

/// Asks for each object. `dry_run`: also what the API server would say to the write, which needs the right to write.
pub async fn observe(client: &Client, objects: &[DesiredObject], dry_run: bool) -> Vec<Observed> {
    let asked: Vec<_> = objects.iter().map(|object| one(client, object, dry_run)).collect();
    futures::stream::iter(asked).buffered(CONCURRENCY).collect().await
}

async fn one(client: &Client, object: &DesiredObject, dry_run: bool) -> Observed {
    let observed = |effect, managers| Observed { id: object.id.clone(), effect, managers };
    let api = api(client, &object.id, &object.resource);
    let live = match api.get_opt(&object.id.name).await {
        Ok(live) => live,
        Err(error) => return observed(Effect::Unknown(words(&error)), Vec::new()),
    };
    let managers = live.as_ref().map(managers).unwrap_or_default();
    let drift = match live {
        None if object.write == Write::NodePatch || object.write == Write::ApplyExisting => {
            return observed(Effect::Unknown("it does not exist".into()), managers);
        }
        None => None,
        Some(live) => match serde_json::to_value(live) {
            Ok(live) => Some(compare(object, &live)),
            Err(error) => return observed(Effect::Unknown(error.to_string()), managers),
        },
    };
    let effect = match drift {
        Some(drift) if drift.is_empty() => Effect::Keep,
        drift => tried(&api, object, drift, dry_run).await,
    };
    observed(effect, managers)
}

/// What the API server says to the write.
async fn tried(
    api: &Api<DynamicObject>,
    object: &DesiredObject,
    drift: Option<Vec<Drift>>,
    dry_run: bool,
) -> Effect {
    let plain = |drift: Option<Vec<Drift>>| drift.map_or(Effect::Create, Effect::Update);
    if !dry_run || object.write == Write::NodePatch {
        return plain(drift);
    }
    // Without force, so that fields of others are told and not taken.
    let params = PatchParams { dry_run: true, ..PatchParams::apply(names::FIELD_MANAGER) };
    match api.patch(&object.id.name, &params, &Patch::Apply(&object.body)).await {
        Ok(_) => plain(drift),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            Effect::Contest(drift.unwrap_or_default(), status.message.clone())
        }
        // The namespace comes with the same plan: it cannot be tried before it is there.
        Err(kube::Error::Api(status)) if status.code == 404 => plain(drift),
        Err(kube::Error::Api(status)) if status.code == 403 && is_lack_of_rights(&status.message) => {
            // Who plans need not be allowed to write: the controller is.
            plain(drift)
        }
        Err(error) => Effect::Refuse(words(&error)),
    }
}

/// RBAC's refusal, not that of a policy or a quota.
fn is_lack_of_rights(message: &str) -> bool {
    message.contains(" cannot ")
}

fn managers(live: &DynamicObject) -> Vec<String> {
    let mut entries: Vec<_> = live.metadata.managed_fields.iter().flatten().collect();
    entries.sort_by(|left, right| left.time.cmp(&right.time));
    let word = |it: &Option<String>| it.clone().unwrap_or_default();
    entries
        .into_iter()
        .map(|it| {
            let time = it.time.as_ref().map(|time| serde_json::to_value(time).unwrap_or_default());
            let time = time.as_ref().and_then(Value::as_str).unwrap_or_default();
            format!("{} ({}, {time})", word(&it.manager), word(&it.operation))
        })
        .collect()
}

fn api(client: &Client, id: &ObjectKey, resource: &str) -> Api<DynamicObject> {
    let (group, version) = id.api_version.split_once('/').unwrap_or(("", &id.api_version));
    let kind = GroupVersionKind::gvk(group, version, &id.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, resource);
    if id.namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), &id.namespace, &resource)
    }
}

fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
