//! Room `inventory`, live: the plan of a scan, carried out -> a [`Snapshot`].
//!
//! First every kind is listed in the whole cluster, eight at a time. What is refused there is asked namespace by
//! namespace, where the user may look. Kinds that only their definitions made known come last.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use super::access::Ask;
use super::connect::Way;
use super::crd;
use super::crd::Definitions;
use super::discover::discover;
use super::error::ClusterError;
use super::gap;
use super::list::Budget;
use super::list::Ended;
use super::list::Listing;
use super::list::list;
use super::owners;
use super::request::Failure;
use super::request::Session;
use super::target::Target;
use crate::snapshot::About;
use crate::snapshot::Extent;
use crate::snapshot::Folder;
use crate::snapshot::Item;
use crate::snapshot::Listed;
use crate::snapshot::Narrowed;
use crate::snapshot::Served;
use crate::snapshot::Snapshot;
use crate::snapshot::Want;
use crate::snapshot::Why;
use crate::snapshot::plan;
use crate::yaml::Value;

/// What every list needs.
pub(super) struct Scan {
    pub(super) session: Arc<Session>,
    pub(super) budget: Arc<Budget>,
    pub(super) ask: Ask,
}

/// Reads a cluster.
pub(super) async fn read(way: Way, ask: &Ask) -> Result<Snapshot, ClusterError> {
    let session = Session::open(way, ask)?;
    let version = session.json("/version", "application/json", 1 << 20).await;
    let version = match version {
        Ok(tree) => tree.root().get("gitVersion").and_then(Value::text).map(str::to_owned),
        Err(failure) => return Err(gap::fatal(&session, failure)),
    };
    let discovered = discover(&session).await.map_err(|failure| gap::fatal(&session, failure))?;
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
    let scan = Arc::new(Scan { session, budget: Budget::new(ask.max_bytes), ask: ask.clone() });
    let wants = plan();
    gap::note_unserved(&mut snapshot, &wants, &discovered.failed);
    let mut all = Vec::new();
    let namespaces = namespaces(&scan, &snapshot, &mut all).await;
    let (others, definitions) = tokio::join!(
        kinds(&scan, &snapshot.served, &wants, &namespaces),
        definitions(&scan, &snapshot.served)
    );
    all.extend(others);
    if let Some((listed, definitions)) = definitions {
        let more: Vec<Want> = crd::wants(&definitions.schemas, &wants).collect();
        // Without all definitions nobody knows which kinds have none; that gap is told by itself.
        if listed.gap.is_none() {
            gap::note_unasked(&mut snapshot, &wants, &definitions.told);
        }
        all.push((listed, Vec::new()));
        all.extend(kinds(&scan, &snapshot.served, &more, &namespaces).await);
        snapshot.schemas = definitions.schemas;
    } else {
        gap::note_unasked(&mut snapshot, &wants, &BTreeSet::new());
    }
    all.sort_by(|(left, _), (right, _)| (&left.group, &left.kind).cmp(&(&right.group, &right.kind)));
    for (listed, items) in all {
        snapshot.lists.push(listed);
        snapshot.items.extend(items);
    }
    snapshot.lists.sort_by(|left, right| (&left.group, &left.kind).cmp(&(&right.group, &right.kind)));
    owners::drop_idle(&mut snapshot.items);
    Ok(snapshot)
}

/// What became of one kind, with its objects.
type Outcome = (Listed, Vec<Item>);

/// Namespaces that exist, as far as the user may know.
struct Namespaces {
    names: BTreeSet<String>,
    /// Whether these are all.
    is_all: bool,
}

/// Lists the namespaces; where that is refused, asks for those that are known by name.
async fn namespaces(scan: &Arc<Scan>, snapshot: &Snapshot, all: &mut Vec<Outcome>) -> Namespaces {
    let want = Want {
        group: String::new(),
        kind: "Namespace".to_owned(),
        plural: "namespaces".to_owned(),
        why: Why::Network,
    };
    let narrowed = &snapshot.narrowed.namespaces;
    let Some(target) = Target::of(&want, &snapshot.served) else {
        return Namespaces { names: BTreeSet::new(), is_all: false };
    };
    let mut refused = None;
    if narrowed.is_empty() {
        let (listed, folder) = one(scan, &target, None).await;
        match listed {
            Err(words) => refused = Some(words),
            Ok(listed) => {
                let names = folder.items.iter().filter_map(|item| name(item).map(str::to_owned)).collect();
                let is_all = listed.gap.is_none();
                all.push((listed, folder.items));
                return Namespaces { names, is_all };
            }
        }
    }
    let names = if narrowed.is_empty() {
        BTreeSet::from([snapshot.about.namespace.clone()])
    } else {
        narrowed.clone()
    };
    let mut folder = Folder::default();
    let mut missing = refused.map(|words| gap::forbidden(&target, &words));
    for name in &names {
        match scan.session.json(&target.named(name), "application/json", 4 << 20).await {
            Ok(tree) => missing = missing.or(target.take(&tree, &mut folder).err().map(gap::partial)),
            Err(Failure::NotFound) => {
                missing = missing
                    .or_else(|| Some(gap::failed(format!("there is no namespace {name}; check its name"))));
            }
            Err(Failure::Forbidden(words)) => {
                missing = missing.or_else(|| Some(gap::forbidden(&target, &words)));
            }
            Err(failure) => missing = missing.or_else(|| Some(gap::of(&target, &failure, false))),
        }
    }
    let extent =
        Extent::Namespaces(folder.items.iter().filter_map(|item| name(item).map(str::to_owned)).collect());
    all.push((target.listed(folder.taken, extent, missing), folder.items));
    Namespaces { names, is_all: false }
}

fn name(item: &Item) -> Option<&str> {
    item.tree.root().at(&["metadata", "name"])?.text()
}

/// Lists and walks the definitions of custom kinds.
async fn definitions(scan: &Arc<Scan>, served: &[Served]) -> Option<(Listed, Definitions)> {
    let want = Want {
        group: "apiextensions.k8s.io".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
        why: Why::Schemas,
    };
    let target = Target::of(&want, served)?;
    let mut sink = Definitions::default();
    let listing = Listing { page: crd::PAGE.min(scan.ask.page), ..target.listing(&scan.ask, None) };
    let ended = list(&scan.session, &listing, &scan.budget, &mut sink).await;
    let any = sink.taken > 0;
    let missing =
        ended.missing.map(|failure| gap::of(&target, &failure, any)).or(ended.doubt.map(gap::partial));
    let extent = if missing.is_none() { Extent::Everywhere } else { Extent::Nowhere };
    scan.tick();
    Some((target.listed(sink.taken, extent, missing), sink))
}

/// Lists kinds: everywhere at once, and where that is refused by namespace.
async fn kinds(scan: &Arc<Scan>, served: &[Served], wants: &[Want], namespaces: &Namespaces) -> Vec<Outcome> {
    let is_own = |want: &&Want| !matches!(want.kind.as_str(), "Namespace" | "CustomResourceDefinition");
    let targets = wants.iter().filter(is_own).filter_map(|want| Target::of(want, served));
    let is_narrowed = !scan.ask.namespaces.is_empty();
    let (by_namespace, at_once): (Vec<Target>, Vec<Target>) =
        targets.partition(|target| is_narrowed && target.namespaced);
    let tasks = at_once.into_iter().map(|target| {
        let scan = Arc::clone(scan);
        async move {
            let (listed, folder) = one(&scan, &target, None).await;
            scan.tick();
            (target, listed, folder)
        }
    });
    let mut all = Vec::new();
    let mut left: Vec<(Target, Option<String>)> =
        by_namespace.into_iter().map(|target| (target, None)).collect();
    for (target, listed, folder) in together(scan.ask.parallel, tasks).await {
        match listed {
            Ok(listed) => all.push((listed, folder.items)),
            Err(words) if target.namespaced && !namespaces.names.is_empty() => {
                left.push((target, Some(words)));
            }
            Err(words) => {
                let missing = Some(gap::forbidden(&target, &words));
                all.push((target.listed(0, Extent::Nowhere, missing), Vec::new()));
            }
        }
    }
    all.extend(spread(scan, left, namespaces).await);
    all
}

/// Lists kinds namespace by namespace. A user who may not look at the pods of a namespace is not asked to look at
/// anything else there: with hundreds of namespaces that would be tens of thousands of refusals.
async fn spread(
    scan: &Arc<Scan>,
    mut targets: Vec<(Target, Option<String>)>,
    namespaces: &Namespaces,
) -> Vec<Outcome> {
    let mut open = namespaces.names.clone();
    let mut all = Vec::new();
    let pods = targets.iter().position(|(target, refused)| target.is_pods() && refused.is_some());
    if let Some(at) = pods.filter(|_| scan.ask.namespaces.is_empty()) {
        let (target, refused) = targets.swap_remove(at);
        let (outcome, answered) = in_each(scan, target, refused, &open, namespaces).await;
        all.push(outcome);
        open = answered;
    }
    for (target, refused) in targets {
        all.push(in_each(scan, target, refused, &open, namespaces).await.0);
    }
    all
}

/// Lists one kind in each of some namespaces; second: those that answered.
async fn in_each(
    scan: &Arc<Scan>,
    target: Target,
    refused: Option<String>,
    open: &BTreeSet<String>,
    namespaces: &Namespaces,
) -> (Outcome, BTreeSet<String>) {
    let target = Arc::new(target);
    let tasks = open.iter().cloned().map(|name| {
        let (scan, target) = (Arc::clone(scan), Arc::clone(&target));
        async move {
            let (listed, folder) = one(&scan, &target, Some(&name)).await;
            (name, listed, folder)
        }
    });
    let (mut whole, mut answered) = (BTreeSet::new(), BTreeSet::new());
    let (mut closed, mut missing) = (BTreeSet::new(), None);
    let (mut items, mut taken) = (Vec::new(), 0_u32);
    for (name, listed, folder) in together(scan.ask.parallel, tasks).await {
        match listed {
            Ok(listed) => {
                taken = taken.saturating_add(folder.taken);
                items.extend(folder.items);
                if listed.extent == Extent::Everywhere {
                    whole.insert(name.clone());
                }
                if listed.gap.is_none() {
                    answered.insert(name);
                }
                missing = missing.or(listed.gap);
            }
            Err(_) => {
                closed.insert(name);
            }
        }
    }
    closed.extend(namespaces.names.difference(open).cloned());
    if !closed.is_empty() && missing.is_none() {
        missing = Some(gap::closed(&target, &closed));
    }
    // Nobody knows which other namespaces there are.
    if let Some(words) = refused.filter(|_| !namespaces.is_all && missing.is_none()) {
        missing = Some(gap::unknown_namespaces(&target, &words, &answered));
    }
    let is_all = namespaces.is_all && whole == namespaces.names && missing.is_none();
    let extent = match () {
        () if is_all => Extent::Everywhere,
        () if whole.is_empty() => Extent::Nowhere,
        () => Extent::Namespaces(whole),
    };
    scan.tick();
    ((target.listed(taken, extent, missing), items), answered)
}

/// Lists one kind once. Error: it is forbidden, with the server's words.
async fn one(scan: &Scan, target: &Target, namespace: Option<&str>) -> (Result<Listed, String>, Folder) {
    let mut folder = Folder::default();
    let listing = target.listing(&scan.ask, namespace);
    let ended = list(&scan.session, &listing, &scan.budget, &mut folder).await;
    let ended = match ended {
        Ended { missing: None, doubt } if target.is_owner_only() => {
            owners::complete(scan, target, &listing, &mut folder, doubt).await
        }
        ended => ended,
    };
    let any = folder.taken > 0;
    let missing = match ended {
        Ended { missing: Some(Failure::Forbidden(words)), .. } if !any => return (Err(words), folder),
        Ended { missing: Some(failure), .. } => Some(gap::of(target, &failure, any)),
        Ended { doubt, .. } => doubt.map(gap::partial),
    };
    // What a label selector leaves out is not known.
    let extent = match missing {
        None if listing.label_selector.is_none() => Extent::Everywhere,
        _ => Extent::Nowhere,
    };
    (Ok(target.listed(folder.taken, extent, missing)), folder)
}

impl Scan {
    fn tick(&self) {
        if let Some(done) = &self.ask.done {
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs tasks side by side, so many at a time; results in the order of the tasks.
async fn together<T, F>(parallel: usize, tasks: impl Iterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    for (index, task) in tasks.enumerate() {
        while running.len() >= parallel.max(1) {
            done.extend(running.join_next().await.and_then(Result::ok));
        }
        running.spawn(async move { (index, task.await) });
    }
    while let Some(result) = running.join_next().await {
        done.extend(result.ok());
    }
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
