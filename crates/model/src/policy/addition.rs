//! Room `model`, policy: names that a team adds: an entry as its file holds it, and what a scan would need of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ringfence_finding::ModelAddition;
use ringfence_finding::ModelLookup;
use ringfence_finding::ModelPlace;
use ringfence_finding::ModelScan;
use ringfence_finding::is_unprintable;

use super::Date;
use super::Policy;
use crate::pickle::facts::Use;

/// Days that an addition may be for: somebody looks at it again within a year.
pub const MOST_DAYS: i64 = 366;

/// A name that a team allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Module, exact.
    pub module: String,
    /// Name in the module, exact.
    pub name: String,
    /// What may be done with it; `import` goes without saying.
    pub uses: Vec<Use>,
    /// Who answers for it.
    pub owner: String,
    /// Why it may be trusted.
    pub reason: String,
    /// Last day on which it counts.
    pub expires: Date,
}

impl Addition {
    /// The entry of a policy file, with a line end.
    pub fn to_toml(&self) -> String {
        let words = if self.uses.is_empty() { vec![Use::Import] } else { self.uses.clone() };
        let uses: Vec<String> = words.iter().map(|what| quoted(what.as_str())).collect();
        format!(
            "[[allow]]\nmodule = {}\nnames = [{}]\nuses = [{}]\nowner = {}\nreason = {}\nexpires = \"{}\"\n",
            quoted(&self.module),
            quoted(&self.name),
            uses.join(", "),
            quoted(&self.owner),
            quoted(&self.reason),
            self.expires,
        )
    }

    /// What a result tells of it.
    pub(super) fn told(&self, today: Date) -> ModelAddition {
        ModelAddition {
            module: self.module.clone(),
            name: self.name.clone(),
            owner: self.owner.clone(),
            reason: self.reason.clone(),
            expires: self.expires.to_string(),
            expired: self.expires < today,
        }
    }
}

/// A basic string of TOML 1.0: names come from models and may hold anything. What nobody sees is escaped, for who reviews the
/// file has to see the name that it allows.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            // Writing to a String cannot fail.
            _ if is_unprintable(char) => {
                let code = u32::from(char);
                _ = if code > 0xffff {
                    write!(quoted, "\\U{code:08X}")
                } else {
                    write!(quoted, "\\u{code:04X}")
                };
            }
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// A name that a scan met and that its policy does not wholly allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Module as the loader imports it.
    pub module: String,
    /// Name in the module.
    pub name: String,
    /// Uses that an addition would have to allow.
    pub uses: Vec<Use>,
    /// Uses that no addition allows: a finding stays.
    pub stays: Vec<Use>,
    /// Files that look it up.
    pub files: usize,
    /// Where it is looked up first.
    pub first: ModelPlace,
    /// Whether the policy allows other uses of it.
    pub is_known: bool,
    /// Why it can never be added.
    pub denied: Option<String>,
}

/// Names in `scan` that `policy` does not wholly allow, in their order.
pub fn wanted(scan: &ModelScan, policy: &Policy) -> Vec<Wanted> {
    let mut names: BTreeMap<(&str, &str), Wanted> = BTreeMap::new();
    for file in &scan.files {
        let mut of_file: Vec<&ModelLookup> = file.lookups.iter().collect();
        of_file.sort_by(|one, other| (&one.module, &one.name).cmp(&(&other.module, &other.name)));
        for same in of_file.chunk_by(|one, other| (&one.module, &one.name) == (&other.module, &other.name)) {
            let Some(first) = same.first() else { continue };
            let wanted = names.entry((&first.module, &first.name)).or_insert_with(|| Wanted {
                module: first.module.clone(),
                name: first.name.clone(),
                uses: Vec::new(),
                stays: Vec::new(),
                files: 0,
                first: first.place.clone(),
                is_known: policy.allowed(&first.module, &first.name).is_some(),
                denied: policy.denied(&first.module, &first.name).map(|denied| denied.why.clone()),
            });
            wanted.files += 1;
            for lookup in same {
                wanted.add(lookup, policy);
            }
        }
    }
    let is_open = |wanted: &Wanted| {
        wanted.denied.is_some() || !wanted.is_known || !wanted.uses.is_empty() || !wanted.stays.is_empty()
    };
    names.into_values().filter(is_open).collect()
}

impl Wanted {
    fn add(&mut self, lookup: &ModelLookup, policy: &Policy) {
        let allowed = policy.allowed(&self.module, &self.name);
        let open = Use::ALL.into_iter().filter(|what| lookup.uses.contains(&what.as_str()));
        for what in open.filter(|what| allowed.is_none_or(|allowed| !allowed.has(*what))) {
            let (list, what) = match what {
                // It goes without saying.
                Use::Import => continue,
                // An entry has no word for it: `new` covers it, and says less than `call`.
                Use::Make => (&mut self.uses, Use::New),
                Use::Call | Use::New | Use::Build | Use::Mutate | Use::Persistent => (&mut self.uses, what),
                _ => (&mut self.stays, what),
            };
            if !list.contains(&what) {
                list.push(what);
            }
        }
        self.uses.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::ModelFile;

    use super::*;

    /// Directions, blanks without width, a filler that is a letter, and a tag beyond four digits.
    const UNSEEN: &str = "a\u{202e}b\u{200b}c\u{3164}d\u{e0041}\u{85}";

    #[test]
    fn an_entry_says_what_was_meant_whatever_the_name_holds() {
        let today = Date::new(2026, 11, 25).unwrap();
        for hostile in ["Block", "a\"]\nuses = [\"call\"", "\\u0041", "x\u{7f}\u{1}\ty", "Å𝔸", "a.b", UNSEEN]
        {
            let addition = Addition {
                module: format!("acme.{hostile}"),
                name: hostile.to_owned(),
                uses: vec![Use::New, Use::Build],
                owner: hostile.to_owned(),
                reason: format!("it is {hostile}"),
                expires: Date::new(2027, 1, 31).unwrap(),
            };
            let text = addition.to_toml();
            assert!(text.chars().all(|char| char == '\n' || !is_unprintable(char)), "{text:?}");
            assert_eq!(hostile == "Å𝔸", text.contains("Å𝔸"), "what is seen is written as it is");
            let policy = Policy::with_additions(&text, today).unwrap();
            assert_eq!(policy.additions, [addition], "{hostile:?}");
        }
        let import = Addition { uses: vec![], ..policy_of_one(today) };
        assert!(import.to_toml().contains("uses = [\"import\"]"));
    }

    fn policy_of_one(today: Date) -> Addition {
        let text = "[[allow]]\nmodule = \"acme.nn\"\nnames = [\"Block\"]\nuses = [\"new\"]\nowner = \"ml\"\nreason = \"ours\"\nexpires = \"2026-11-25\"\n";
        Policy::with_additions(text, today).unwrap().additions.remove(0)
    }

    /// Name, uses, what stays, files, whether it is denied.
    type Told = (String, Vec<Use>, Vec<Use>, usize, bool);

    #[test]
    fn what_is_wanted_is_what_the_policy_does_not_say_yet() {
        let lookup = |name: &str, uses: &[&'static str]| ModelLookup {
            module: "acme.nn".to_owned(),
            name: name.to_owned(),
            uses: uses.to_vec(),
            place: ModelPlace::default(),
        };
        let denied = ModelLookup { module: "os".to_owned(), ..lookup("system", &["import", "call"]) };
        let known =
            ModelLookup { module: "collections".to_owned(), ..lookup("OrderedDict", &["import", "new"]) };
        let file = |lookups| ModelFile { lookups, ..ModelFile::default() };
        let scan = ModelScan {
            files: vec![
                file(vec![lookup("Block", &["import", "new"]), lookup("Type", &["import"]), denied, known]),
                file(vec![lookup("Block", &["import", "make", "build", "tainted"])]),
            ],
            ..ModelScan::default()
        };
        let told = |policy: &Policy| -> Vec<Told> {
            let told = |one: Wanted| (one.name, one.uses, one.stays, one.files, one.denied.is_some());
            wanted(&scan, policy).into_iter().map(told).collect()
        };
        let block = ("Block".to_owned(), vec![Use::New, Use::Build], vec![Use::Tainted], 2, false);
        let rest = [
            ("Type".to_owned(), vec![], vec![], 1, false),
            ("system".to_owned(), vec![Use::Call], vec![], 1, true),
        ];
        assert_eq!(told(Policy::embedded()), [&[block][..], &rest].concat());
        let today = Date::new(2026, 11, 25).unwrap();
        let policy = Policy::with_additions(&policy_of_one(today).to_toml(), today).unwrap();
        let block = ("Block".to_owned(), vec![Use::Build], vec![Use::Tainted], 2, false);
        assert_eq!(told(&policy), [&[block][..], &rest].concat(), "`new` was added");
    }
}
