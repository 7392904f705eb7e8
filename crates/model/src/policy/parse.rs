//! Room `model`, policy: TOML text -> lists. An unknown key, a use that does not exist and a name that is allowed and
//! denied at once are errors, for a typing error must not open a door.

use ringfence_finding::is_unprintable;
use serde::Deserialize;

use super::Addition;
use super::Date;
use super::Denied;
use super::Lists;
use super::Names;
use super::Policy;
use super::Uses;
use super::addition::MOST_DAYS;
use super::digest;
use crate::pickle::effect::Effect;
use crate::pickle::facts::ParseUseError;
use crate::pickle::facts::Use;

/// A policy that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PolicyError {
    /// A name that is allowed although it is denied, with the reason for denying.
    #[error("{module}.{name} cannot be allowed: it {why}")]
    Denied {
        /// Module of the entry.
        module: String,
        /// Name of the entry.
        name: String,
        /// What the name does.
        why: String,
    },
    /// An entry without an owner, a reason or a day that is to come.
    #[error("entry for {module}: {problem}")]
    Entry {
        /// Module of the entry.
        module: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Text that is not a policy: the words name line and column.
    #[error("{0}")]
    Syntax(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowFile {
    date: String,
    allow: Vec<Allow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allow {
    module: String,
    names: Vec<String>,
    uses: Vec<String>,
    /// What a call does with its arguments, where that is more than to make an object of its own.
    effect: Option<Effect>,
    /// Where the judgement comes from; read by people.
    #[serde(rename = "source")]
    _source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyFile {
    deny: Vec<Deny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    #[serde(rename = "category")]
    _category: String,
    why: String,
    #[serde(default)]
    modules: Vec<String>,
    module: Option<String>,
    names: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Additions {
    #[serde(default)]
    allow: Vec<Added>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    module: String,
    names: Vec<String>,
    uses: Vec<String>,
    owner: String,
    reason: String,
    expires: String,
}

/// The date is that of the newest list of what is allowed.
pub(super) fn lists(allow: &[&str], deny: &str) -> Result<Lists, PolicyError> {
    let denied: DenyFile = read(deny)?;
    let mut lists = Lists { digest: digest(&[allow, &[deny]].concat()), ..Lists::default() };
    for row in denied.deny {
        for module in row.modules {
            let all = Denied { names: None, why: row.why.clone() };
            lists.deny.entry(module).or_default().push(all);
        }
        if let (Some(module), Some(names)) = (row.module, row.names) {
            lists.deny.entry(module).or_default().push(Denied { names: Some(names), why: row.why });
        }
    }
    for text in allow {
        let allowed: AllowFile = read(text)?;
        lists.date = allowed.date.max(lists.date);
        for row in &allowed.allow {
            let uses = uses(&row.module, &row.uses)?;
            none_denied(&lists, &row.module, &row.names)?;
            allow_all(&mut lists.allow, &row.module, &row.names, &uses);
            state_effect(&mut lists.allow, row)?;
        }
    }
    Ok(lists)
}

/// Lets `policy` allow what is added and has not expired, and gives all of it.
pub(super) fn additions(policy: &mut Policy, text: &str, today: Date) -> Result<Vec<Addition>, PolicyError> {
    let additions: Additions = read(text)?;
    let mut all = Vec::new();
    for row in additions.allow {
        let wrong = |problem: String| PolicyError::Entry { module: row.module.clone(), problem };
        let blank = [("owner", &row.owner), ("reason", &row.reason)];
        let is_blank = |text: &str| text.chars().all(|char| char.is_whitespace() || is_unprintable(char));
        if let Some((key, _)) = blank.iter().find(|(_, text)| is_blank(text)) {
            return Err(wrong(format!("{key} is empty")));
        }
        let expires: Date = row.expires.parse().map_err(|error| wrong(format!("expires: {error}")))?;
        if expires.days() - today.days() > MOST_DAYS {
            let problem = format!(
                "expires on {expires}: at most {MOST_DAYS} days from now, for somebody has to look at it again"
            );
            return Err(wrong(problem));
        }
        let uses = uses(&row.module, &row.uses)?;
        // What has expired is held against the rules all the same: it may be renewed by its day alone.
        none_denied(policy.lists, &row.module, &row.names)?;
        if expires >= today {
            allow_all(&mut policy.allow, &row.module, &row.names, &uses);
        }
        all.extend(row.names.into_iter().map(|name| Addition {
            module: row.module.clone(),
            name,
            uses: uses.clone(),
            owner: row.owner.clone(),
            reason: row.reason.clone(),
            expires,
        }));
    }
    Ok(all)
}

fn uses(module: &str, words: &[String]) -> Result<Vec<Use>, PolicyError> {
    let find = |word: &String| {
        word.parse().map_err(|error: ParseUseError| PolicyError::Entry {
            module: module.to_owned(),
            problem: error.to_string(),
        })
    };
    words.iter().map(find).collect()
}

fn none_denied(lists: &Lists, module: &str, names: &[String]) -> Result<(), PolicyError> {
    for name in names {
        if let Some(denied) = lists.denied(module, name) {
            let (module, name, why) = (module.to_owned(), name.clone(), denied.why.clone());
            return Err(PolicyError::Denied { module, name, why });
        }
    }
    Ok(())
}

fn allow_all(allowed: &mut Names, module: &str, names: &[String], uses: &[Use]) {
    let mut set = Uses::default().with(Use::Import);
    for what in uses.iter().copied() {
        set = set.with(what);
        // INST and OBJ without arguments make a class as `new` does, and call what is not a class.
        if matches!(what, Use::Call | Use::New) {
            set = set.with(Use::Make);
        }
    }
    for name in names {
        let of_module = allowed.entry(module.to_owned()).or_default();
        let known = of_module.entry(name.clone()).or_default();
        known.uses = known.uses.union(set);
    }
}

fn state_effect(allowed: &mut Names, row: &Allow) -> Result<(), PolicyError> {
    let Some(effect) = row.effect else { return Ok(()) };
    let of_module = allowed.entry(row.module.clone()).or_default();
    for name in &row.names {
        let known = of_module.entry(name.clone()).or_default();
        if known.effect.is_some_and(|other| other != effect) {
            let problem = format!("`{name}` has two effects");
            return Err(PolicyError::Entry { module: row.module.clone(), problem });
        }
        known.effect = Some(effect);
    }
    Ok(())
}

fn read<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, PolicyError> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| {
            let before = text.get(..span.start).unwrap_or_default();
            format!("line {}: ", before.bytes().filter(|byte| *byte == b'\n').count() + 1)
        });
        PolicyError::Syntax(format!("{}{}", place.unwrap_or_default(), error.message()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::ALLOW;
    use super::super::DENY;
    use super::*;

    /// Names of functions that unpickle: they make what they are handed, or call it, more often than not.
    fn is_maker(name: &str) -> bool {
        let own = name.rsplit('.').next().unwrap_or(name);
        let begins = ["_new_", "_rebuild", "_unpickle", "__newobj", "__pyx_unpickle_"];
        own == "newObj"
            || own.contains("econstruct")
            || own.ends_with("_ctor")
            || begins.iter().any(|begin| own.starts_with(begin))
    }

    #[test]
    fn every_name_that_looks_like_a_maker_says_what_it_does() {
        let policy = lists(&ALLOW, DENY).unwrap();
        let names = policy.allow.iter().flat_map(|(module, names)| {
            names.iter().map(move |(name, allowed)| (format!("{module}.{name}"), name, allowed))
        });
        let makers: Vec<_> = names.filter(|(_, name, _)| is_maker(name)).collect();
        assert!(makers.len() >= 26, "{}", makers.len());
        let silent = makers.iter().filter(|(_, _, allowed)| allowed.effect.is_none());
        let silent: Vec<&str> = silent.map(|(whole, _, _)| whole.as_str()).collect();
        assert_eq!(silent, [""; 0], "state `effect`, be it \"plain\"");
    }

    #[test]
    fn an_effect_is_one_of_the_known_and_stated_once() {
        let row = |name: &str, effect: &str| {
            format!(
                "[[allow]]\nmodule = \"a\"\nnames = [\"{name}\"]\nuses = [\"call\"]\neffect = \"{effect}\"\nsource = \"\"\n"
            )
        };
        let read =
            |rows: &[String]| lists(&[&format!("date = \"2026-11-30\"\n{}", rows.concat())], "deny = []");
        assert!(read(&[row("f", "makes-first"), row("f", "makes-first"), row("g", "plain")]).is_ok());
        for (rows, words) in [
            (vec![row("f", "makes-second")], "makes-second"),
            (vec![row("f", "gets")], "gets"),
            (vec![row("f", "makes-first"), row("f", "plain")], "two effects"),
        ] {
            let error = read(&rows).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
