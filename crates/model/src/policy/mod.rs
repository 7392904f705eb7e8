//! Room `model`, policy: which names a model may look up, and for what. Dated data; the host is never asked.
//!
//! Allowing is exact: module, name and use. Denying only explains why a name is dangerous; a name in neither list is
//! *review*. A team may add names, each with its owner, a reason and the day it expires.

mod addition;
mod date;
pub(crate) mod judge;
mod parse;
pub(crate) mod told;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use ringfence_finding::ModelAddition;
use ringfence_finding::ModelFile;
use ringfence_finding::PolicyId;
use sha2::Digest as _;
use sha2::Sha256;

pub use addition::Addition;
pub use addition::MOST_DAYS;
pub use addition::Wanted;
pub use addition::wanted;
pub use date::Date;
pub use parse::PolicyError;

use crate::pickle::effect::Effect;
use crate::pickle::facts::Use;

/// The built-in lists.
const ALLOW: [&str; 2] = [
    include_str!("../../../../data/model-policy/allow.toml"),
    include_str!("../../../../data/model-policy/allow-sklearn.toml"),
];
const DENY: &str = include_str!("../../../../data/model-policy/deny.toml");

/// What a model may look up. Its lists are read when the first name is looked for.
#[derive(Clone, Debug)]
pub struct Policy {
    lists: &'static LazyLock<Lists>,
    /// What a team allows as well, today.
    allow: Names,
    /// Of the lists and of all that was added; none where nothing was.
    digest: Option<String>,
    /// Names of a team, those that have expired too: these allow nothing, and results tell them.
    additions: Vec<Addition>,
    /// The day it was read.
    today: Option<Date>,
}

/// What is allowed, by module and name.
type Names = HashMap<String, HashMap<String, Allowed>>;

/// What the built-in lists say.
#[derive(Debug, Default)]
struct Lists {
    allow: Names,
    deny: HashMap<String, Vec<Denied>>,
    date: String,
    digest: String,
}

/// Most parts of the name of a module that is denied, `numpy.testing._private.utils`.
const DEEPEST: usize = 4;

/// A set of uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses(u16);

impl Uses {
    pub(crate) fn with(self, what: Use) -> Self {
        Self(self.0 | 1 << what as u16)
    }

    pub(crate) fn has(self, what: Use) -> bool {
        self.0 & (1 << what as u16) != 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is known of an allowed name.
#[derive(Clone, Copy, Debug, Default)]
struct Allowed {
    uses: Uses,
    /// What a call does with its arguments; none where an entry says nothing.
    effect: Option<Effect>,
}

/// Why a name is denied.
#[derive(Clone, Debug)]
pub(crate) struct Denied {
    /// Exact names of this very module; none: all names of it and of its sub-modules.
    names: Option<Vec<String>>,
    /// What it does, to follow a name: `starts programs`.
    pub(crate) why: String,
}

impl Policy {
    /// The built-in policy.
    pub fn embedded() -> &'static Self {
        // The lists are part of the program; a test reads them. Without them everything would be *review*.
        static LISTS: LazyLock<Lists> = LazyLock::new(|| parse::lists(&ALLOW, DENY).unwrap_or_default());
        static EMBEDDED: LazyLock<Policy> = LazyLock::new(|| Policy {
            lists: &LISTS,
            allow: HashMap::new(),
            digest: None,
            additions: Vec::new(),
            today: None,
        });
        &EMBEDDED
    }

    /// The built-in policy and what a team has added to it: TOML text with `[[allow]]` entries that name `module`,
    /// `names`, `uses`, `owner`, `reason` and `expires`. Entries that have expired on `today` allow nothing.
    pub fn with_additions(text: &str, today: Date) -> Result<Self, PolicyError> {
        let mut policy = Self::embedded().clone();
        policy.add(text, today)?;
        Ok(policy)
    }

    /// Adds what another file of a team says; the policy is as it was where that is an error.
    pub fn add(&mut self, text: &str, today: Date) -> Result<(), PolicyError> {
        let mut policy = self.clone();
        let additions = parse::additions(&mut policy, text, today)?;
        // What has expired is not what it was: reports with equal digests were judged alike.
        let over = additions.iter().filter(|one| one.expires < today);
        let over: Vec<String> = over.map(Addition::to_toml).collect();
        policy.digest = Some(digest(&[self.digest(), text, &over.concat()]));
        policy.additions.extend(additions);
        policy.today = Some(today);
        *self = policy;
        Ok(())
    }

    /// Names of a team, in the order of its files.
    pub fn additions(&self) -> &[Addition] {
        &self.additions
    }

    /// The addition that speaks of a name: one that counts, or else the last one that has expired.
    fn addition(&self, module: &str, name: &str) -> Option<ModelAddition> {
        let today = self.today?;
        let of_name = self.additions.iter().filter(|one| one.module == module && one.name == name);
        of_name.max_by_key(|one| one.expires).map(|one| one.told(today))
    }

    /// Whose addition of a name has expired, and when.
    pub(crate) fn expired(&self, module: &str, name: &str) -> Option<ModelAddition> {
        self.addition(module, name).filter(|addition| addition.expired)
    }

    /// Additions that speak of names which these files look up, by name.
    pub(crate) fn used(&self, files: &[ModelFile]) -> Vec<ModelAddition> {
        if self.additions.is_empty() {
            return Vec::new();
        }
        let lookups = files.iter().flat_map(|file| &file.lookups);
        let mut used: Vec<_> =
            lookups.filter_map(|lookup| self.addition(&lookup.module, &lookup.name)).collect();
        used.sort();
        used.dedup();
        used
    }

    /// Names that a team has added and that count today.
    fn count_of_additions(&self) -> usize {
        self.additions.iter().filter(|one| self.today.is_some_and(|today| one.expires >= today)).count()
    }

    fn digest(&self) -> &str {
        self.digest.as_ref().unwrap_or(&self.lists.digest)
    }

    /// What to print with each result: equal ids judge alike.
    pub fn id(&self) -> PolicyId {
        PolicyId {
            date: self.lists.date.clone(),
            digest: self.digest().to_owned(),
            additions: self.count_of_additions(),
        }
    }

    /// Uses that a name is allowed for; none where the name is not listed.
    pub(crate) fn allowed(&self, module: &str, name: &str) -> Option<Uses> {
        let of = |list: &Names| Some(list.get(module)?.get(name)?.uses);
        match (of(&self.lists.allow), of(&self.allow)) {
            (Some(built_in), Some(added)) => Some(built_in.union(added)),
            (built_in, added) => built_in.or(added),
        }
    }

    /// What a call of a name does with its arguments. The built-in lists alone say it: whatever a team allows, the machine
    /// follows the same calls.
    pub(crate) fn effect(module: &str, name: &str) -> Effect {
        let allowed = Self::embedded().lists.allow.get(module).and_then(|of_module| of_module.get(name));
        allowed.and_then(|allowed| allowed.effect).unwrap_or(Effect::Plain)
    }

    /// Whether the built-in lists allow a name: what it is handed was judged with it.
    pub(crate) fn is_built_in(module: &str, name: &str) -> bool {
        Self::embedded().lists.allow.get(module).is_some_and(|of_module| of_module.contains_key(name))
    }

    /// Why a name is denied; sub-modules go with their module.
    pub(crate) fn denied(&self, module: &str, name: &str) -> Option<&Denied> {
        self.lists.denied(module, name)
    }

    /// Whether a module is denied as a whole: then an attribute of that name is a way to it.
    pub(crate) fn denies_module(&self, module: &str) -> Option<&Denied> {
        self.lists.deny.get(module)?.iter().find(|denied| denied.names.is_none())
    }

    /// Whether a name is one that reaches others, wherever it is found: `getattr`, `__globals__`.
    pub(crate) fn reaches_others(&self, name: &str) -> bool {
        let is_dunder = name.len() > 4 && name.starts_with("__") && name.ends_with("__");
        is_dunder
            || self.lists.deny.get("builtins").is_some_and(|rows| rows.iter().any(|row| row.lists(name)))
    }
}

impl Lists {
    /// Why a name is denied, by itself or by what it ends in: `torch.serial` has imported `os`, so its `os.system` starts
    /// programs as well.
    fn denied(&self, module: &str, name: &str) -> Option<&Denied> {
        let dots = name.match_indices('.').map(|(at, _)| at + 1);
        let mut tails = std::iter::once(0).chain(dots).filter_map(|at| name.get(at..));
        self.denied_itself(module, name).or_else(|| {
            // What a module imports for itself it calls `_os`.
            tails.find_map(|tail| {
                let own = tail.trim_start_matches('_');
                self.denied_path(tail).or_else(|| self.denied_path(own).filter(|_| own.len() < tail.len()))
            })
        })
    }

    /// Why a path of attributes is denied that begins with the name of a module, if it does.
    fn denied_path(&self, path: &str) -> Option<&Denied> {
        let splits = path.match_indices('.').take(DEEPEST);
        let mut splits = splits.filter_map(|(at, _)| Some((path.get(..at)?, path.get(at + 1..)?)));
        splits.find_map(|(module, name)| self.deny.get(module)?.iter().find(|denied| denied.covers(name)))
    }

    /// Why a name is denied; sub-modules go with their module.
    fn denied_itself(&self, module: &str, name: &str) -> Option<&Denied> {
        let own = self.deny.get(module).into_iter().flatten();
        let own = own.into_iter().find(|denied| denied.covers(name));
        let parents = module.rmatch_indices('.').map(|(at, _)| module.get(..at).unwrap_or_default());
        own.or_else(|| {
            parents.filter_map(|parent| self.deny.get(parent)).flatten().find(|denied| denied.names.is_none())
        })
    }
}

impl Denied {
    fn covers(&self, name: &str) -> bool {
        self.names.is_none() || self.lists(name.split('.').next().unwrap_or(name))
    }

    fn lists(&self, name: &str) -> bool {
        self.names.as_ref().is_some_and(|names| names.iter().any(|listed| listed == name))
    }
}

/// SHA-256 in hex over the texts, each with its length before it.
fn digest(texts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for text in texts {
        sha.update((text.len() as u64).to_le_bytes());
        sha.update(text.as_bytes());
    }
    sha.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::build::Stream;
    use crate::testing::judge;

    #[test]
    fn the_built_in_lists_are_read() {
        let lists = parse::lists(&ALLOW, DENY).unwrap();
        assert!(lists.allow.values().map(HashMap::len).sum::<usize>() > 80);
        assert_eq!(lists.date.len(), "2026-11-25".len());
        let id = Policy::embedded().id();
        assert_eq!((id.date, id.digest, id.additions), (lists.date, lists.digest, 0));
    }

    #[test]
    fn denying_covers_sub_modules_and_allowing_is_exact() {
        let policy = Policy::embedded();
        for (module, name) in [
            ("os", "system"),
            ("os.path", "join"),
            ("asyncio.unix_events", "_UnixSubprocessTransport._start"),
            ("builtins", "eval"),
            ("torch.storage", "_load_from_bytes"),
            ("numpy.testing._private.utils", "runstring"),
            ("pip._internal.cli.main", "main"),
        ] {
            assert!(policy.denied(module, name).is_some(), "{module}.{name}");
        }
        for (module, name) in [("osmium", "system"), ("builtins", "set"), ("torch", "Size"), ("a.os", "x")] {
            assert!(policy.denied(module, name).is_none(), "{module}.{name}");
        }
        let parts = policy.lists.deny.keys().map(|module| module.split('.').count());
        assert_eq!(parts.max(), Some(DEEPEST));
        let uses = policy.allowed("collections", "OrderedDict").unwrap();
        assert!(uses.has(Use::Build) && uses.has(Use::Mutate) && !uses.has(Use::Persistent));
        assert_eq!(policy.allowed("collections.x", "OrderedDict"), None);
        assert!(policy.reaches_others("__globals__") && policy.reaches_others("getattr"));
        assert!(!policy.reaches_others("__main"));
    }

    #[test]
    fn a_name_that_ends_in_a_denied_one_is_denied_as_well() {
        let policy = Policy::embedded();
        for (module, name) in [
            ("random", "_os.system"),
            ("torch.serial", "os.system"),
            ("acme.nn", "util.os.path.join"),
            ("acme.nn", "__builtins.eval"),
            ("acme.nn", "_pickle.loads"),
            ("acme.nn", "torch.storage._load_from_bytes"),
            ("acme.nn", "_io.open_code.__call__"),
            ("acme.nn", "numpy.testing._private.utils.runstring"),
            ("acme.nn", "np_utils.numpy.lib.format.read_array"),
        ] {
            assert!(policy.denied(module, name).is_some(), "{module}:{name}");
            let text = entry(module, name);
            let error =
                Policy::with_additions(&text, Date::new(2026, 11, 25).unwrap()).unwrap_err().to_string();
            assert!(error.contains("cannot be allowed"), "{error}");
        }
        for (module, name) in [
            ("random", "_os"),
            ("acme.nn", "Block.os"),
            ("acme.nn", "macos.system"),
            ("acme.nn", "Outer.Inner"),
            ("acme.nn", "torch.Tensor.new"),
            ("acme.nn", "builtins.set"),
        ] {
            assert!(policy.denied(module, name).is_none(), "{module}:{name}");
        }
        let got = Stream::protocol(4).stack_global("builtins", "getattr").stack_global("random", "_os");
        let file = judge(&got.text("system").raw(b"\x86R").text("id").raw(b"\x85R").stop());
        let subjects: Vec<_> =
            file.findings.iter().filter(|finding| finding.title == "denied-name").collect();
        assert!(
            subjects.iter().any(|finding| finding.subject.as_deref() == Some("random._os.system")),
            "{file:#?}"
        );
    }

    fn entry(module: &str, name: &str) -> String {
        format!(
            "[[allow]]\nmodule = \"{module}\"\nnames = [\"{name}\"]\nuses = [\"call\"]\nowner = \"ml\"\nreason = \"ours\"\nexpires = \"2027-01-31\"\n"
        )
    }

    #[test]
    fn additions_need_owner_reason_and_a_day_within_a_year() {
        let today = Date::new(2026, 11, 25).unwrap();
        let entry = |lines: &str| format!("[[allow]]\nmodule = \"acme.nn\"\nnames = [\"Block\"]\n{lines}");
        let whole = "uses = [\"new\", \"build\"]\nowner = \"ml-platform\"\nreason = \"our own layer\"\n";
        let good = entry(&format!("{whole}expires = \"2027-01-31\"\n"));
        let policy = Policy::with_additions(&good, today).unwrap();
        assert!(policy.allowed("acme.nn", "Block").unwrap().has(Use::New));
        assert_eq!(policy.id().additions, 1);
        assert_ne!(policy.id().digest, Policy::embedded().id().digest);
        for (text, word) in [
            (entry(whole), "expires"),
            (entry(&format!("{whole}expires = \"2027-11-27\"\n")), "366 days"),
            (entry(&format!("{whole}expires = \"2027-02-30\"\n")), "2027-02-30"),
            (entry(&format!("{whole}expires = \"2027-01-31\"\n")).replace("\"new\"", "\"nw\""), "nw"),
            (good.replace("acme.nn", "os.path"), "os.path"),
            (good.replace("owner", "ownr"), "ownr"),
            (good.replace("ml-platform", " "), "owner"),
            (good.replace("ml-platform", "\u{200b}\\u3164 "), "owner"),
            (good.replace("our own layer", "\u{2060}"), "reason"),
            ("[[deny]]\nmodules = []\n".to_owned(), "deny"),
            ("[[allow]\n".to_owned(), "line 1"),
        ] {
            let error = Policy::with_additions(&text, today).unwrap_err().to_string();
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    }

    #[test]
    fn an_addition_counts_to_the_end_of_its_day_and_the_latest_speaks() {
        let entry = |day: &str| {
            format!(
                "[[allow]]\nmodule = \"acme.nn\"\nnames = [\"Block\"]\nuses = [\"new\"]\nowner = \"ml\"\nreason = \"ours\"\nexpires = \"{day}\"\n"
            )
        };
        let today = Date::new(2026, 11, 25).unwrap();
        for (days, counts, expired) in [
            (&["2026-11-25"][..], 1, false),
            (&["2026-11-24"], 0, true),
            (&["2026-11-24", "2027-11-26"], 1, false),
            (&["2020-02-29", "2026-11-24"], 0, true),
        ] {
            let text: String = days.iter().map(|day| entry(day)).collect();
            let policy = Policy::with_additions(&text, today).unwrap();
            assert_eq!(policy.id().additions, counts, "{days:?}");
            assert_eq!(policy.allowed("acme.nn", "Block").is_some(), counts > 0, "{days:?}");
            let told = policy.expired("acme.nn", "Block");
            assert_eq!(told.is_some(), expired, "{days:?}");
            assert!(told.is_none_or(|told| told.expires == "2026-11-24"), "{days:?}");
        }
        let mut policy = Policy::with_additions(&entry("2027-01-31"), today).unwrap();
        let before = policy.id();
        assert!(policy.add("[[allow]]\n", today).is_err());
        assert_eq!(policy.id(), before, "a file that is wrong adds nothing");
    }
}
