//! Room `inventory`, live: the plan of a scan, carried out -> a [`Snapshot`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use super::access::Ask;
use super::connect::Way;
use super::discover::discover;
use super::error::ClusterError;
use super::list::Budget;
use super::list::Got;
use super::list::Listing;
use super::list::list;
use super::request::Failure;
use super::request::Session;
use crate::snapshot::About;
use crate::snapshot::Extent;
use crate::snapshot::Gap;
use crate::snapshot::GapKind;
use crate::snapshot::Item;
use crate::snapshot::Listed;
use crate::snapshot::Narrowed;
use crate::snapshot::Served;
use crate::snapshot::Snapshot;
use crate::snapshot::Want;
use crate::snapshot::plan;
use crate::yaml::Value;

/// Reads a cluster.
pub(super) async fn read(way: Way, ask: &Ask) -> Result<Snapshot, ClusterError> {
    let session = Session::open(way, ask)?;
    let version = session.json("/version", "application/json", 1 << 20).await;
    let version = match version {
        Ok(tree) => tree.root().get("gitVersion").and_then(Value::text).map(str::to_owned),
        Err(failure) => return Err(fatal(&session, failure)),
    };
    let discovered = discover(&session).await.map_err(|failure| fatal(&session, failure))?;
    let about = About {
        server: session.way().server(),
        context: session.way().context.clone(),
        version,
        date: session.date(),
        namespace: session.way().namespace.clone(),
    };
    let narrowed =
        Narrowed { namespaces: ask.namespaces.iter().cloned().collect(), selector: ask.selector.clone() };
    let mut snapshot = Snapshot { about, served: discovered.served, narrowed, ..Snapshot::default() };
    let budget = Budget::new(ask.max_bytes);
    let mut running = JoinSet::new();
    let mut finished = Vec::new();
    for want in plan() {
        let Some(served) = snapshot.served(&want.group, &want.kind).cloned() else { continue };
        while running.len() >= ask.parallel.max(1) {
            finished.extend(running.join_next().await.and_then(Result::ok));
        }
        let (session, budget, ask) = (Arc::clone(&session), Arc::clone(&budget), ask.clone());
        running.spawn(async move { one(&session, want, served, &budget, &ask).await });
    }
    while let Some(result) = running.join_next().await {
        finished.extend(result.ok());
    }
    finished.sort_by(|(left, _), (right, _)| (&left.group, &left.kind).cmp(&(&right.group, &right.kind)));
    for (listed, items) in finished {
        snapshot.lists.push(listed);
        snapshot.items.extend(items);
    }
    Ok(snapshot)
}

async fn one(
    session: &Session,
    want: Want,
    served: Served,
    budget: &Budget,
    ask: &Ask,
) -> (Listed, Vec<Item>) {
    let version = served.versions.first().cloned().unwrap_or_default();
    let root = if served.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", served.group) };
    let api_version =
        if served.group.is_empty() { version.clone() } else { format!("{}/{version}", served.group) };
    let listing = Listing {
        path: format!("{root}/{version}/{}", served.plural),
        api_version,
        kind: want.kind.clone(),
        metadata_only: false,
        label_selector: None,
        field_selector: None,
        page: ask.page,
    };
    let Got { trees, missing, .. } = list(session, &listing, budget, Some).await;
    let gap = missing.map(|failure| Gap { kind: GapKind::Failed, message: failure.words() });
    let extent = if gap.is_none() { Extent::Everywhere } else { Extent::Nowhere };
    let objects = u32::try_from(trees.len()).unwrap_or(u32::MAX);
    let listed = Listed {
        group: want.group,
        kind: want.kind,
        plural: served.plural,
        version: Some(version),
        objects,
        extent,
        gap,
    };
    if let Some(done) = &ask.done {
        done.fetch_add(1, Ordering::Relaxed);
    }
    let items =
        trees.into_iter().map(|tree| Item { tree, copies: 1, nodes: std::collections::BTreeSet::new() });
    (listed, items.collect())
}

/// The first requests decide whether there is a cluster at all.
fn fatal(session: &Session, failure: Failure) -> ClusterError {
    let at = &session.way().words;
    match failure {
        Failure::Fatal(error) => error,
        Failure::Broken(words) => ClusterError::Unreachable(format!("{at}: {words}")),
        Failure::Late => ClusterError::Unreachable(format!("{at}: no answer within the time limit")),
        failure => ClusterError::Unexpected(format!(
            "{at}: not the answer of an API server of Kubernetes: {}; check `server`",
            failure.words()
        )),
    }
}
