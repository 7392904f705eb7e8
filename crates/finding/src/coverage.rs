//! What was looked at and what was not. "No finding" and "could not look" are two different sentences.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::Serializer;

use crate::Location;

/// Why something was not looked at, or only half. The word is the machine form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Not YAML or JSON.
    Unparsable,
    /// Neither UTF-8 nor UTF-16 with a byte order mark, or a NUL byte.
    Encoding,
    /// Above the size limit.
    TooLarge,
    /// Node or object budget reached.
    Budget,
    /// Nested deeper than the limit.
    Depth,
    /// Aliases multiply beyond the budget.
    AliasLimit,
    /// A template that nobody rendered.
    TemplateNotRendered,
    /// A chart or kustomization that nobody rendered.
    NotRendered,
    /// What a scan of a cluster has saved, among manifests: it is a whole cluster.
    SavedInventory,
    /// The operating system refused to open it.
    NoAccess,
    /// The cluster refused to list a kind.
    ListForbidden,
    /// A list of a cluster broke off, failed, or was not reached in time.
    ListPartial,
    /// A mapping names one key twice: the last is judged, and the reader cannot know which was meant.
    DuplicateKey,
    /// Objects embedded in objects beyond the limit.
    EmbeddedLimit,
    /// A panic in a reader, contained.
    Internal,
    /// A fact demanded with `--require` was not supplied.
    FactMissing,
    /// Nothing to scan was found.
    NothingFound,
    /// YAML or JSON that is no Kubernetes object.
    NotKubernetes,
    /// Blank or comments only.
    Empty,
    /// Left out by the user's flag.
    ExcludedByUser,
    /// Version control or dependency folders, devices and other files that hold no manifests.
    NotSearched,
    /// A custom resource definition: read for where its kind carries pods at most, never judged.
    SchemaOnly,
    /// A definition that names no fields: pods of its kind are found by their shape alone.
    NoSchema,
    /// A reference to an object outside the set; what depends on it is unknown.
    UnresolvedJoin,
    /// A value the API server would refuse; judged by its intent.
    WouldBeRejected,
    /// An assumption the results rest on.
    Assumption,
}

impl Reason {
    /// Whether it makes the run incomplete (exit 3): something asked for could not be looked at.
    pub fn is_incomplete(self) -> bool {
        match self {
            Self::Unparsable
            | Self::Encoding
            | Self::TooLarge
            | Self::Budget
            | Self::Depth
            | Self::AliasLimit
            | Self::TemplateNotRendered
            | Self::NotRendered
            | Self::SavedInventory
            | Self::NoAccess
            | Self::ListForbidden
            | Self::ListPartial
            | Self::DuplicateKey
            | Self::EmbeddedLimit
            | Self::Internal
            | Self::FactMissing
            | Self::NothingFound => true,
            Self::NotKubernetes
            | Self::Empty
            | Self::ExcludedByUser
            | Self::NotSearched
            | Self::SchemaOnly
            | Self::NoSchema
            | Self::UnresolvedJoin
            | Self::WouldBeRejected
            | Self::Assumption => false,
        }
    }

    /// The word in screens and machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unparsable => "unparsable",
            Self::Encoding => "encoding",
            Self::TooLarge => "too-large",
            Self::Budget => "budget",
            Self::Depth => "depth",
            Self::AliasLimit => "alias-limit",
            Self::TemplateNotRendered => "template-not-rendered",
            Self::NotRendered => "not-rendered",
            Self::SavedInventory => "saved-inventory",
            Self::NoAccess => "no-access",
            Self::ListForbidden => "list-forbidden",
            Self::ListPartial => "list-partial",
            Self::DuplicateKey => "duplicate-key",
            Self::EmbeddedLimit => "embedded-limit",
            Self::Internal => "internal",
            Self::FactMissing => "fact-missing",
            Self::NothingFound => "nothing-found",
            Self::NotKubernetes => "not-kubernetes",
            Self::Empty => "empty",
            Self::ExcludedByUser => "excluded-by-user",
            Self::NotSearched => "not-searched",
            Self::SchemaOnly => "schema-only",
            Self::NoSchema => "no-schema",
            Self::UnresolvedJoin => "unresolved-join",
            Self::WouldBeRejected => "would-be-rejected",
            Self::Assumption => "assumption",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One place that was not looked at, or only half, with cause and cure. Foreign text in both is masked by whoever prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blind {
    /// Why.
    pub reason: Reason,
    /// Where: at least the file; none for the run as a whole.
    pub location: Option<Location>,
    /// Why, in one line.
    pub cause: String,
    /// What to do; none where nothing has to be done, or where whoever told the cause told it in one with that.
    pub cure: Option<Cure>,
}

/// What to do about a blind spot, in words that follow the cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cure {
    /// Whoever looks: mend what is looked at.
    Mend(String),
    /// Look by another way that a scan has: a flag or command of `ringfence scan`. Other readers do not have it.
    Scan(String),
}

impl Cure {
    /// In words.
    pub fn words(&self) -> &str {
        match self {
            Self::Mend(words) | Self::Scan(words) => words,
        }
    }

    /// The words, to be masked.
    pub fn words_mut(&mut self) -> &mut String {
        match self {
            Self::Mend(words) | Self::Scan(words) => words,
        }
    }
}

impl Blind {
    /// Of the run as a whole, with nothing to do about it.
    pub fn new(reason: Reason, cause: impl Into<String>) -> Self {
        Self { reason, location: None, cause: cause.into(), cure: None }
    }

    /// At this place.
    #[must_use]
    pub fn at(self, location: Location) -> Self {
        Self { location: Some(location), ..self }
    }

    /// What to mend.
    #[must_use]
    pub fn mend(self, words: impl Into<String>) -> Self {
        Self { cure: Some(Cure::Mend(words.into())), ..self }
    }

    /// What a scan can do about it.
    #[must_use]
    pub fn scan(self, words: impl Into<String>) -> Self {
        Self { cure: Some(Cure::Scan(words.into())), ..self }
    }

    /// Cause and cure in one line.
    pub fn message(&self) -> String {
        match &self.cure {
            Some(cure) => format!("{}; {}", self.cause, cure.words()),
            None => self.cause.clone(),
        }
    }
}

/// With the whole message: whoever shows it needs nothing else.
impl Serialize for Blind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Told<'b> {
            reason: Reason,
            location: Option<&'b Location>,
            message: String,
            cure: Option<&'b str>,
        }
        let (location, cure) = (self.location.as_ref(), self.cure.as_ref().map(Cure::words));
        Told { reason: self.reason, location, message: self.message(), cure }.serialize(to)
    }
}

/// Files reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Files {
    /// Met while walking, or named by the user.
    pub seen: u32,
    /// Opened and split into documents.
    pub read: u32,
}

/// Documents inside those files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Documents {
    /// Cut out of files.
    pub found: u32,
    /// Read into objects.
    pub parsed: u32,
    /// Not readable, each with a reason in `blind`.
    pub failed: u32,
    /// Templates that nobody rendered.
    pub template: u32,
    /// Readable, but no Kubernetes object.
    pub not_kubernetes: u32,
    /// Blank or comments only.
    pub empty: u32,
    /// Custom resource definitions: read for where a kind carries pods at most.
    pub schema_only: u32,
}

/// Lists asked of a cluster, one a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lists {
    /// Kinds that the cluster serves and the scan wanted.
    pub asked: u32,
    /// Answered whole.
    pub answered: u32,
    /// Refused, everywhere or in some namespace.
    pub forbidden: u32,
    /// Broken off, failed, or not reached in time.
    pub partial: u32,
}

/// Which knowledge led to a pod template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundBy {
    /// A kind of Kubernetes itself.
    Core,
    /// The table of known custom kinds.
    Table,
    /// The schema of a custom kind that no table row knows.
    CrdSchema,
    /// A part with image and env but without a PodSpec; the operator builds the pod.
    ContainerLike,
    /// The shape of a PodSpec inside a kind nobody knows.
    Structural,
}

/// Objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindCount {
    /// API group, empty for core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Objects seen.
    pub objects: u32,
    /// Pod templates found in them.
    pub pods: u32,
}

/// Everything a run saw and did not see. Printed on every run, carried by every machine format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Files reached.
    pub files: Files,
    /// Documents inside them.
    pub documents: Documents,
    /// Lists asked of a cluster; all zero when none was.
    pub lists: Lists,
    /// Objects by kind, sorted.
    pub kinds: Vec<KindCount>,
    /// Pod templates by the knowledge that found them.
    pub pod_templates: BTreeMap<FoundBy, u32>,
    /// Custom kinds in which no pod was found, `Kind.group`, with their number.
    pub no_pod_path: BTreeMap<String, u32>,
    /// Facts a source of this kind holds none of, such as "Node objects".
    pub not_seen: Vec<String>,
    /// Places not looked at, or half, sorted.
    pub blind: Vec<Blind>,
}

impl Coverage {
    /// Whether something asked for could not be looked at.
    pub fn is_incomplete(&self) -> bool {
        self.blind.iter().any(|blind| blind.reason.is_incomplete())
    }

    /// Read documents and answered lists per hundred that are Kubernetes or unknown, rounded down; files that could not
    /// be opened count as one document each, since at least one was lost. None when there was nothing to read.
    pub fn percent(&self) -> Option<u8> {
        let documents = &self.documents;
        let lost_files = self
            .blind
            .iter()
            .filter(|blind| {
                matches!(
                    blind.reason,
                    Reason::NoAccess
                        | Reason::TooLarge
                        | Reason::Encoding
                        | Reason::NotRendered
                        | Reason::SavedInventory
                        | Reason::Internal
                )
            })
            .count();
        let lost_files = u64::try_from(lost_files).unwrap_or(u64::MAX);
        let asked = u64::from(documents.parsed)
            .saturating_add(u64::from(documents.failed))
            .saturating_add(u64::from(documents.template))
            .saturating_add(lost_files)
            .saturating_add(u64::from(self.lists.asked));
        if asked == 0 {
            return None;
        }
        let read = u64::from(documents.parsed).saturating_add(u64::from(self.lists.answered));
        u8::try_from(read.saturating_mul(100) / asked).ok()
    }

    /// Pod templates of all origins.
    pub fn pods(&self) -> u32 {
        self.pod_templates.values().sum()
    }

    /// Pod templates outside the kinds of Kubernetes itself.
    pub fn custom_pods(&self) -> u32 {
        self.pods().saturating_sub(self.pod_templates.get(&FoundBy::Core).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_rounds_down_and_never_claims_what_was_lost() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.percent(), None);
        coverage.documents = Documents { found: 300, parsed: 299, failed: 1, ..Documents::default() };
        assert_eq!(coverage.percent(), Some(99));
        coverage.documents.failed = 0;
        assert_eq!(coverage.percent(), Some(100));
        coverage.blind.push(Blind::new(Reason::NoAccess, ""));
        assert_eq!(coverage.percent(), Some(99));
        assert!(coverage.is_incomplete());
    }

    #[test]
    fn a_list_that_was_not_answered_lowers_the_percentage() {
        let lists = Lists { asked: 40, answered: 39, forbidden: 1, partial: 0 };
        let coverage = Coverage { lists, ..Coverage::default() };
        assert_eq!(coverage.percent(), Some(97));
    }
}
