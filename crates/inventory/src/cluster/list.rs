//! Room `inventory`, live: one list, page by page -> objects, and whether these are all.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::page::BadPage;
use super::page::PageReader;
use super::request::Answer;
use super::request::Failure;
use super::request::Session;
use crate::snapshot::Folder;
use crate::snapshot::prune;
use crate::yaml::Tree;
use crate::yaml::Value;
use crate::yaml::read_json;

const WHOLE: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// Attempts at one page whose body breaks off.
const ATTEMPTS: usize = 3;
/// Pages without any object, one after another, before a server is not believed any more.
const MAX_EMPTY: usize = 200;

/// What to list.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    /// `/api/v1/pods`, `/api/v1/namespaces/ml/pods`
    pub(super) path: String,
    /// `v1`
    pub(super) api_version: String,
    /// `Pod`
    pub(super) kind: String,
    pub(super) metadata_only: bool,
    pub(super) label_selector: Option<String>,
    pub(super) field_selector: Option<String>,
    pub(super) page: u32,
}

/// Bytes of objects that may still be kept, shared by all lists.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicU64,
    limit: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(limit), limit })
    }

    fn take(&self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// Takes what a list gives.
pub(super) trait Sink {
    /// One object; true: it is kept.
    fn take(&mut self, tree: Tree) -> bool;

    /// The list starts anew: forgets what it took.
    fn reset(&mut self);
}

impl Sink for Folder {
    fn take(&mut self, tree: Tree) -> bool {
        Self::take(self, tree)
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// How a list ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Why what was taken may not be all.
    pub(super) missing: Option<Failure>,
    /// Some is of a later state than the rest, or an item was unusable: in words.
    pub(super) doubt: Option<String>,
}

/// Lists into `sink`, whole pages at a time. What was received before a failure stays there, and the failure is told.
pub(super) async fn list(
    session: &Session,
    listing: &Listing,
    budget: &Budget,
    sink: &mut impl Sink,
) -> Ended {
    let mut got = Ended::default();
    let (mut token, mut restarted, mut empty) = (None::<String>, false, 0_usize);
    loop {
        let page = match page(session, listing, token.as_deref()).await {
            Ok(page) => page,
            Err(Failure::Gone(_)) if token.is_some() && !restarted => {
                restarted = true;
                token = None;
                got = Ended::default();
                sink.reset();
                continue;
            }
            Err(Failure::Gone(Some(next))) if token.is_some() => {
                got.doubt = Some(
                    "the list expired twice while it was read; its rest is of a later moment, and what was made or deleted \
                     in between may be missing"
                        .to_owned(),
                );
                token = Some(next);
                continue;
            }
            Err(failure) => {
                got.missing = Some(failure);
                return got;
            }
        };
        empty = if page.trees.is_empty() { empty.saturating_add(1) } else { 0 };
        for tree in page.trees {
            let bytes = tree.source().len();
            if sink.take(tree) && !budget.take(bytes) {
                let words =
                    format!("more than {} bytes of objects; narrow the scan with --namespace", budget.limit);
                got.missing = Some(Failure::Broken(words));
                return got;
            }
        }
        got.doubt = got.doubt.or(page.doubt);
        if page.next.is_none() {
            return got;
        }
        if page.next == token || empty > MAX_EMPTY {
            let words = "the server goes on with pages that bring nothing new".to_owned();
            got.missing = Some(Failure::Broken(words));
            return got;
        }
        token = page.next;
    }
}

struct Page {
    trees: Vec<Tree>,
    next: Option<String>,
    doubt: Option<String>,
}

async fn page(session: &Session, listing: &Listing, token: Option<&str>) -> Result<Page, Failure> {
    let mut path = format!("{}?limit={}", listing.path, listing.page);
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = write!(path, "&{name}=");
            encode(value, &mut path);
        }
    };
    add("labelSelector", listing.label_selector.as_deref());
    add("fieldSelector", listing.field_selector.as_deref());
    add("continue", token);
    let accept = if listing.metadata_only { METADATA } else { WHOLE };
    let mut attempt = 0;
    loop {
        attempt += 1;
        // A request that is not answered has had its attempts; a body that breaks off has not.
        let answer = session.get(&path, accept).await?;
        match read_page(answer, listing).await {
            Err(Failure::Broken(_)) if attempt < ATTEMPTS => {}
            result => return result,
        }
    }
}

async fn read_page(mut answer: Answer<'_>, listing: &Listing) -> Result<Page, Failure> {
    let mut reader = PageReader::new();
    let (mut trees, mut doubt) = (Vec::new(), None);
    let given = (listing.api_version.as_str(), listing.kind.as_str());
    while let Some(piece) = answer.next().await? {
        let read = reader.feed(&piece, |item| match tree_of(item, given, listing.metadata_only) {
            Ok(tree) => trees.push(tree),
            Err(words) => doubt = Some(words),
        });
        read.map_err(|bad| broken(&bad))?;
    }
    let rest = reader.finish().map_err(|bad| broken(&bad))?;
    let not_a_list = || Failure::Broken("the answer is no list of the kind".to_owned());
    let (rest, _) = read_json(&rest).ok().flatten().ok_or_else(not_a_list)?;
    let told = rest.root().str_at("kind").unwrap_or("");
    let is_metadata = listing.metadata_only && told == "PartialObjectMetadataList";
    if !is_metadata && told.strip_suffix("List") != Some(&listing.kind) {
        return Err(Failure::Broken(format!("the answer is a {told:?}, not a list of {}", listing.kind)));
    }
    let next = rest.root().at(&["metadata", "continue"]).and_then(Value::text);
    Ok(Page { trees, next: next.filter(|token| !token.is_empty()).map(str::to_owned), doubt })
}

/// One object without what nobody reads; `given`: version and kind.
pub(super) fn tree_of(item: &str, given: (&str, &str), metadata_only: bool) -> Result<Tree, String> {
    let unusable = |words: &str| format!("an object was unusable: {words}");
    let text = prune(item, given, metadata_only).map_err(|broken| unusable(broken.message))?;
    match read_json(&text) {
        Ok(Some((tree, _))) => Ok(tree),
        Ok(None) => Err(unusable("it is empty")),
        Err(error) => Err(unusable(&error.to_string())),
    }
}

fn broken(bad: &BadPage) -> Failure {
    Failure::Broken(match bad {
        BadPage::Broken(words) => format!("the answer is no list: {words}"),
        BadPage::TooLarge(words) => format!("the answer holds {words}"),
    })
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3).
fn encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
