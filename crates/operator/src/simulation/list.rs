//! Room `operator`: every workload of a cluster, kind by kind and page by page, so that a large cluster is never in memory as
//! a whole.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use ringfence_domain::ClusterFacts;
use ringfence_inventory::Input;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::Want;
use ringfence_inventory::Why;
use ringfence_inventory::plan;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::workloads::Workloads;

/// Objects per page.
const PAGE: u32 = 500;
/// Longest time of one page.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked of a page beside its objects.
#[derive(Deserialize)]
struct Page {
    metadata: Metadata,
    #[serde(rename = "items")]
    _items: IgnoredAny,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default, rename = "continue")]
    more: Option<String>,
}

/// Reads all kinds that bear pods, or claim devices for them, and are served, pods last: by then it is known who made them. What
/// could not be read, in words.
pub(super) async fn workloads(client: &Client, facts: &ClusterFacts, found: &mut Workloads) -> Vec<String> {
    let mut wants: Vec<Want> = wants().collect();
    wants.sort_by_key(|it| it.group.is_empty() && it.kind == "Pod");
    let mut unread = Vec::new();
    for want in wants {
        let Some(version) = version(facts, &want) else { continue };
        if let Err(words) = all(client, &want, &version, found).await {
            unread.push(format!("{}: {words}", resource(&want)));
        }
    }
    unread
}

/// Kinds that are read where they are served, plural names by API group: the rights that this needs are to list them.
pub fn simulation_reads() -> BTreeMap<String, BTreeSet<String>> {
    let mut reads: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for want in wants() {
        reads.entry(want.group).or_default().insert(want.plural);
    }
    reads
}

/// Whether objects of a kind make pods, or what makes pods.
pub(super) fn bears_pods(group: &str, kind: &str) -> bool {
    static BEARING: LazyLock<Vec<Want>> = LazyLock::new(|| bearing().collect());
    BEARING.iter().any(|it| it.group == group && it.kind == kind)
}

fn bearing() -> impl Iterator<Item = Want> {
    plan().into_iter().filter(|it| matches!(it.why, Why::Pods | Why::Owner))
}

fn wants() -> impl Iterator<Item = Want> {
    let claims = |it: &Want| {
        it.group == "resource.k8s.io"
            && ["ResourceClaim", "ResourceClaimTemplate"].contains(&it.kind.as_str())
    };
    bearing().chain(plan().into_iter().filter(claims)).chain([Want {
        group: String::new(),
        kind: "ServiceAccount".into(),
        plural: "serviceaccounts".into(),
        why: Why::Settings,
    }])
}

fn resource(want: &Want) -> String {
    if want.group.is_empty() { want.plural.clone() } else { format!("{}.{}", want.plural, want.group) }
}

/// The version to ask for; none where the kind is not served. The API server converts: any served one will do, a stable one
/// is converted least.
fn version(facts: &ClusterFacts, want: &Want) -> Option<String> {
    let (prefix, suffix) = (format!("{}/", want.group), format!("/{}", want.kind));
    let served = facts.served.iter().flatten();
    let versions = served.filter_map(|it| it.strip_prefix(&prefix)?.strip_suffix(&suffix));
    versions.max_by_key(|it| (!it.contains("alpha"), !it.contains("beta"), *it)).map(str::to_owned)
}

async fn all(client: &Client, want: &Want, version: &str, found: &mut Workloads) -> Result<(), String> {
    let path = if want.group.is_empty() {
        format!("/api/{version}/{}", want.plural)
    } else {
        format!("/apis/{}/{version}/{}", want.group, want.plural)
    };
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let request = Request::new(path.as_str()).list(&params).map_err(|error| error.to_string())?;
        let asked = tokio::time::timeout(PATIENCE, client.request_text(request)).await;
        let text = match asked {
            Err(_) => return Err(format!("no answer within {} s", PATIENCE.as_secs())),
            // Discovery lags behind a definition that went.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => return Ok(()),
            Ok(Err(kube::Error::Api(status))) => return Err(status.message.clone()),
            Ok(Err(error)) => return Err(error.to_string()),
            Ok(Ok(text)) => text,
        };
        let page: Page =
            serde_json::from_str(&text).map_err(|error| format!("the answer is no list: {error}"))?;
        let inventory = part(text);
        if let Some(blind) = inventory.coverage.blind.first() {
            return Err(format!("a page could not be read: {}", blind.message()));
        }
        found.take(&inventory);
        match page.metadata.more.filter(|it| !it.is_empty()) {
            Some(more) => params.continue_token = Some(more),
            None => return Ok(()),
        }
    }
}

/// A page as an inventory: a part of the cluster, from whose gaps nothing follows.
fn part(text: String) -> Inventory {
    let options = Options { partial: true, ..Options::default() };
    Inventory::read(Input::from_bytes("list", text.into_bytes()), &options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_whole_or_says_so() {
        let empty = r#"{"kind":"DaemonSetList","apiVersion":"apps/v1","metadata":{},"items":[]}"#;
        assert!(part(empty.into()).coverage.blind.is_empty());
        let cut = r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"#;
        assert!(!part(cut.into()).coverage.blind.is_empty());
    }

    #[test]
    fn the_most_stable_version_is_asked_for() {
        let served =
            ["ray.io/v1/RayJob", "ray.io/v1alpha1/RayJob", "x.io/v1beta2/RayJob", "ray.io/v2alpha1/RayJob"];
        let facts =
            ClusterFacts { served: Some(served.map(str::to_owned).into()), ..ClusterFacts::default() };
        let want = |group: &str| Want {
            group: group.into(),
            kind: "RayJob".into(),
            plural: "rayjobs".into(),
            why: Why::Pods,
        };
        assert_eq!(version(&facts, &want("ray.io")).as_deref(), Some("v1"));
        assert_eq!(version(&facts, &want("x.io")).as_deref(), Some("v1beta2"));
        assert_eq!(version(&facts, &want("io")), None);
    }
}
