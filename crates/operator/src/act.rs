//! Room `operator`: one write. What is to be done, and the requests that do it. Nothing else here changes a cluster but the
//! SecurityDomain's own status and finalizer (`own.rs`) and the lease.

use std::time::Duration;

use kube::Client;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::Preconditions;
use ringfence_domain::DesiredObject;
use ringfence_domain::Drift;
use ringfence_domain::compare;
use ringfence_domain::is_planted;
use ringfence_domain::names;
use ringfence_domain::own_level;
use serde_json::Value;
use serde_json::json;

use crate::evict;
use crate::facts::namespace;
use crate::lease::Guard;
use crate::node;
use crate::node::Mark;
use crate::source::Source;
use crate::store::Key;
use crate::store::Live;

/// Longest time of one request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tries of a node whose taints others change at the same time.
const NODE_TRIES: u32 = 5;

/// A write.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// Of which object.
    pub(crate) key: Key,
    /// What is done.
    pub(crate) what: What,
    /// Which form of it: a failure of one form does not delay another.
    pub(crate) hash: String,
    /// What somebody changed, if that is why.
    pub(crate) drift: Option<Drifted>,
    /// It was seen in order before, so whatever it looks like now, it is ours.
    pub(crate) is_known: bool,
}

/// What somebody changed.
#[derive(Clone, Debug)]
pub(crate) struct Drifted {
    /// Name of the domain; none for what stands for all domains.
    pub(crate) domain: Option<String>,
    /// Generation of the domain.
    pub(crate) generation: i64,
    /// The fields.
    pub(crate) fields: Vec<String>,
    /// The field manager of the last foreign change, where the API says it.
    pub(crate) by: Option<String>,
}

/// What is done.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// Server-side apply. An object that must exist comes with its UID.
    Apply(Box<DesiredObject>, Option<Box<Live>>),
    /// Fields that others added go: an apply leaves them. By replacing the whole part, so that the door is not open for a
    /// moment, as it would be between a delete and a create.
    Mend(Box<DesiredObject>, Box<Live>),
    /// Label and taint of a node.
    Node(Mark, Box<Live>),
    /// Our fields go, the object stays.
    Release(Box<Live>),
    /// Our annotations go, everything else stays in force; with fields that are merged into it so that it does.
    Strip(Box<Live>, Value),
    /// The object goes.
    Delete(Box<Live>),
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Done {
    /// The object, as it is now.
    Is(Live),
    /// It is gone.
    Gone,
}

/// Why a write was not done: another may lead now. It is no fault, and is looked at again by who leads.
pub(crate) const ENDED: &str = "the lease ended before the request";

/// What writes: a client, and whether it may. Asked before each request that changes something, since one act may take several.
pub(crate) struct Hand {
    /// The client.
    pub(crate) client: Client,
    /// Whether the lease lasts.
    pub(crate) guard: Guard,
}

impl Hand {
    fn may_write(&self) -> Result<(), String> {
        if self.guard.may_write() { Ok(()) } else { Err(ENDED.to_owned()) }
    }
}

/// Does it.
///
/// # Errors
/// The server's words, with the missing verb if it is a right; or [`ENDED`].
pub(crate) async fn perform(hand: &Hand, act: &Act) -> Result<Done, String> {
    let key = &act.key;
    match &act.what {
        What::Apply(object, live) => {
            if live.is_none() && !act.is_known {
                foreign(&hand.client, key, object).await?;
            }
            apply(hand, key, object, live.as_deref()).await
        }
        What::Mend(object, live) => {
            let done = json_patch(hand, key, mending(object, live)).await?;
            kept(object, done, |_| true)
        }
        What::Node(mark, live) => patch_node(hand, key, mark, live).await,
        What::Release(live) => release(hand, key, live).await,
        What::Strip(live, fields) => {
            let gone = json!({names::HASH_ANNOTATION: null, names::OWNER_ANNOTATION: null});
            let mut body = fields.clone();
            body["metadata"] = json!({"uid": live.uid(), "annotations": gone});
            merge(hand, key, &body).await
        }
        What::Delete(live) => delete(hand, key, live).await,
    }
}

async fn apply(hand: &Hand, key: &Key, object: &DesiredObject, live: Option<&Live>) -> Result<Done, String> {
    let mut body = object.body.tree();
    if object.write == ringfence_domain::Write::ApplyExisting
        && let Some(live) = live
    {
        body["metadata"]["uid"] = live.uid().into();
    }
    let patch = Patch::Apply(&body);
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    let first = written(hand, key, key.api(&hand.client).patch(&key.name, &params, &patch)).await;
    let done = match (first, live) {
        (Err(words), Some(live))
            if is_immutable(&words) && live.annotation(names::OWNER_ANNOTATION).is_some() =>
        {
            delete(hand, key, live).await?;
            written(hand, key, key.api(&hand.client).patch(&key.name, &params, &patch)).await?
        }
        (first, _) => first?,
    };
    // What others added is for the next look; what we sent must be there.
    kept(object, Done::Is(seen(key, done)?), |drift| !is_added(drift))
}

/// What others added: fields, or items of a list that an apply merges by key, such as the conditions of a policy. An apply
/// leaves them.
pub(crate) fn is_added(drift: &Drift) -> bool {
    match (&drift.want, &drift.live) {
        (Value::Null, _) => true,
        (Value::Array(want), Value::Array(live)) => {
            live.len() > want.len() && want.iter().all(|it| live.contains(it))
        }
        _ => false,
    }
}

/// An object of this name that was not seen because it does not carry our label: taken over only if the annotation says that
/// it is of the same domain. What somebody else wrote is left to them.
async fn foreign(client: &Client, key: &Key, object: &DesiredObject) -> Result<(), String> {
    let asked = tokio::time::timeout(PATIENCE, key.api(client).get_opt(&key.name)).await;
    let found = asked.map_err(|_| late(key))?.map_err(|error| words(key, "get", &error))?;
    let Some(found) = found else { return Ok(()) };
    let owner = |metadata: Option<&Value>| {
        let annotations = metadata.and_then(|it| it.get("annotations"));
        annotations.and_then(|it| it.get(names::OWNER_ANNOTATION)).and_then(Value::as_str).map(str::to_owned)
    };
    let found = serde_json::to_value(found.metadata).map_err(|error| error.to_string())?;
    let hash = found.get("annotations").and_then(|it| it.get(names::HASH_ANNOTATION));
    if hash.is_some() && owner(Some(&found)) == owner(object.body.tree().get("metadata")) {
        return Ok(());
    }
    Err(not_ours(key))
}

/// What is said of an object that somebody else has under our name.
pub(crate) fn not_ours(key: &Key) -> String {
    format!("{key} exists and is not ours; rename or delete it, then it is written")
}

/// A field that only a new object can have otherwise, in the API server's words (apimachinery's `FieldImmutableErrorMsg`;
/// RoleBindings have their own).
fn is_immutable(words: &str) -> bool {
    words.contains("field is immutable") || words.contains("cannot change roleRef")
}

/// An object that does not keep what was written is an error: something in the server changes it on its way.
fn kept(object: &DesiredObject, done: Done, counts: impl Fn(&Drift) -> bool) -> Result<Done, String> {
    let Done::Is(live) = &done else { return Ok(done) };
    let lost = compare(object, &live.tree()).into_iter().find(|drift| counts(drift));
    match lost {
        Some(drift) => Err(format!(
            "the API server did not keep it ({drift}): look for an admission webhook that changes it"
        )),
        None => Ok(done),
    }
}

/// Every part that is ours alone, replaced; of a namespace, what somebody put there under our name goes.
fn mending(object: &DesiredObject, live: &Live) -> Vec<Value> {
    let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": live.version});
    let (wanted, found) = (object.body.tree(), live.tree());
    let parts = wanted.as_object().into_iter().flatten();
    let parts = parts.filter(|(key, _)| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
    let replace = parts.map(|(key, value)| json!({"op": "add", "path": format!("/{key}"), "value": value}));
    let planted = ["labels", "annotations"].into_iter().flat_map(|map| {
        let wanted = wanted.pointer(&format!("/metadata/{map}"));
        let found = found.pointer(&format!("/metadata/{map}")).and_then(Value::as_object);
        let keys = found.into_iter().flatten().map(|(key, _)| key);
        let planted = keys.filter(move |key| is_namespace(object) && is_planted(key, wanted));
        planted.map(move |key| {
            let key = key.replace('~', "~0").replace('/', "~1");
            json!({"op": "remove", "path": format!("/metadata/{map}/{key}")})
        })
    });
    std::iter::once(test).chain(replace).chain(planted).collect()
}

fn is_namespace(object: &DesiredObject) -> bool {
    object.id.kind == "Namespace"
}

async fn patch_node(hand: &Hand, key: &Key, mark: &Mark, live: &Live) -> Result<Done, String> {
    let obstacle = tokio::time::timeout(PATIENCE, evict::obstacle(&hand.client, mark, live)).await;
    match obstacle.map_err(|_| late(key))? {
        Ok(None) => {}
        Ok(Some(words)) => return Err(words),
        Err(error) => return Err(words_of("list", "pods", &error)),
    }
    let mut live = live.clone();
    let mut tries = 0;
    loop {
        let operations = node::operations(&live, mark);
        if operations.is_empty() {
            return Ok(Done::Is(live));
        }
        let words = match json_patch(hand, key, operations).await {
            Ok(done) => return Ok(done),
            Err(words) => words,
        };
        tries += 1;
        // 422 with these words (apiserver's jsonPatcher), or 409: the list is not the one that was read.
        if tries == NODE_TRIES
            || !(words.contains("test failed")
                || words.contains("testing value")
                || words.contains("the server rejected our request"))
        {
            return Err(words);
        }
        tokio::time::sleep(Duration::from_millis(20 << tries)).await;
        live = seen(key, request(key, "get", key.api(&hand.client).get(&key.name)).await?)?;
    }
}

/// Gives up our fields by an apply that has none. What another took over in the meantime stays, but for our own keys. The Pod
/// Security level that a namespace came with is in the same apply: between two there would be none, and after the first
/// nobody would know it.
async fn release(hand: &Hand, key: &Key, live: &Live) -> Result<Done, String> {
    let resource = key.source.api_resource();
    let mut metadata = json!({"name": key.name, "uid": live.uid()});
    if !key.namespace.is_empty() {
        metadata["namespace"] = key.namespace.as_str().into();
    }
    if key.source == Source::Namespaces
        && let Some(level) = own_level(&namespace(live))
    {
        metadata["labels"] = json!({"pod-security.kubernetes.io/enforce": level});
    }
    let body = json!({"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata});
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    let released =
        written(hand, key, key.api(&hand.client).patch(&key.name, &params, &Patch::Apply(&body))).await?;
    let released = seen(key, released)?;
    let mut left = json!({});
    for map in ["labels", "annotations"] {
        let keys = released.pointer(&format!("/metadata/{map}"));
        let keys = keys.as_object().into_iter().flatten().map(|(key, _)| key);
        for key in keys.filter(|key| names::is_ours(key)) {
            left[map][key] = Value::Null;
        }
    }
    if left.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(Done::Is(released));
    }
    left["uid"] = released.uid().into();
    merge(hand, key, &json!({"metadata": left})).await
}

async fn delete(hand: &Hand, key: &Key, live: &Live) -> Result<Done, String> {
    hand.may_write()?;
    // Exactly the object that was judged to be ours, in the state it was judged by.
    let exact = Preconditions { uid: Some(live.uid().into()), resource_version: Some(live.version.clone()) };
    let params = DeleteParams { preconditions: Some(exact), ..DeleteParams::default() };
    let api = key.api(&hand.client);
    let removal = async { api.delete(&key.name, &params).await };
    match tokio::time::timeout(PATIENCE, removal).await {
        Err(_) => Err(late(key)),
        Ok(Ok(_)) => Ok(Done::Gone),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(Done::Gone),
        Ok(Err(error)) => Err(words(key, "delete", &error)),
    }
}

async fn json_patch(hand: &Hand, key: &Key, operations: Vec<Value>) -> Result<Done, String> {
    let patch = serde_json::from_value(operations.into()).map_err(|error| error.to_string())?;
    let patch = Patch::<()>::Json(patch);
    let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PatchParams::default() };
    let patched = written(hand, key, key.api(&hand.client).patch(&key.name, &params, &patch)).await?;
    seen(key, patched).map(Done::Is)
}

async fn merge(hand: &Hand, key: &Key, body: &Value) -> Result<Done, String> {
    let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PatchParams::default() };
    let patched =
        written(hand, key, key.api(&hand.client).patch(&key.name, &params, &Patch::Merge(body))).await?;
    seen(key, patched).map(Done::Is)
}

async fn written(
    hand: &Hand,
    key: &Key,
    patch: impl Future<Output = kube::Result<DynamicObject>>,
) -> Result<DynamicObject, String> {
    hand.may_write()?;
    request(key, "patch", patch).await
}

async fn request(
    key: &Key,
    verb: &str,
    request: impl Future<Output = kube::Result<DynamicObject>>,
) -> Result<DynamicObject, String> {
    let answer = tokio::time::timeout(PATIENCE, request).await.map_err(|_| late(key))?;
    answer.map_err(|error| words(key, verb, &error))
}

fn late(key: &Key) -> String {
    format!("{key}: no answer within {} s", PATIENCE.as_secs())
}

fn words(key: &Key, verb: &str, error: &kube::Error) -> String {
    words_of(verb, &key.source.resource(), error)
}

fn words_of(verb: &str, resource: &str, error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 && status.message.contains(" cannot ") => {
            format!("the controller has no right to {verb} {resource}: {}", status.message)
        }
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

fn seen(key: &Key, object: DynamicObject) -> Result<Live, String> {
    let value = serde_json::to_value(object).map_err(|error| error.to_string())?;
    Ok(Live::new(key.source, value))
}

impl Act {
    /// The removal of an object that stays without us: a namespace, an account.
    pub(crate) fn removal(key: Key, live: &Live) -> Self {
        let live = Box::new(live.clone());
        let what = match key.source {
            Source::Namespaces | Source::ServiceAccounts => What::Release(live),
            _ => What::Delete(live),
        };
        Self { key, what, hash: String::new(), drift: None, is_known: false }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::Mutex;

    use http::Method;
    use http::Request;
    use http::Response;
    use kube::client::Body;

    use super::*;

    #[tokio::test]
    async fn an_act_of_several_requests_ends_with_the_lease() {
        let (until, guard) = Guard::lasting();
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-1", "resourceVersion": "1"}});
        let refused = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": "Invalid", "code": 422, "message": "the server rejected our request: test failed"});
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), node.clone());
        let seen = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let is_patch = request.method() == Method::PATCH;
            seen.lock().unwrap().push(request.method().clone());
            if is_patch {
                // Somebody changed the node, and in that moment the lease ended.
                until.send_replace(None);
            }
            let (code, body) = if is_patch { (422, &refused) } else { (200, &answer) };
            let answer = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
            async move { Ok::<_, Infallible>(answer.unwrap()) }
        });
        let hand = Hand { client: Client::new(service, "default"), guard };
        let taint = json!({"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"});
        let mark = Mark { label: Some("ml".into()), taint: Some(taint), ..Mark::default() };
        let act = Act {
            key: Key::global(Source::Nodes, "gpu-1"),
            what: What::Node(mark, Box::new(Live::new(Source::Nodes, node))),
            hash: String::new(),
            drift: None,
            is_known: false,
        };
        assert_eq!(perform(&hand, &act).await.unwrap_err(), ENDED);
        assert_eq!(perform(&hand, &act).await.unwrap_err(), ENDED);
        assert_eq!(*asked.lock().unwrap(), [Method::PATCH, Method::GET], "nothing is written any more");
    }
}
