//! Text of `ringfence.yaml` -> settings, or the byte at which it is wrong, with what was expected there.

use ringfence_inventory::yaml::Value;
use ringfence_inventory::yaml::read_yaml;
use ringfence_model::Date;

use super::keys;
use super::keys::FILE;
use super::keys::Key;
use super::keys::Shape;
use crate::nearest::nearest;

/// What the file says; paths are as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) signers: Option<Vec<Signer>>,
    pub(crate) require: Option<String>,
    pub(crate) allow_unsigned_files: bool,
    pub(crate) model_allow: Vec<String>,
}

/// An entry of `signers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    pub(crate) name: String,
    pub(crate) root: Root,
    pub(crate) repos: Vec<String>,
    pub(crate) not_after: Option<Date>,
    /// The file of those who tell the time.
    pub(crate) tsa: Option<String>,
}

/// What signatures of a signer are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Key(String),
    Ca { file: String, identity: Option<String> },
}

/// Something that the file may not say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Byte of the text.
    pub(super) at: usize,
    pub(super) message: String,
}

pub(super) fn read(text: &str) -> Result<Settings, Wrong> {
    let tree = read_yaml(text).map_err(|error| Wrong { at: error.at(), message: error.to_string() })?;
    let Some(tree) = tree else { return Ok(Settings::default()) };
    if let Some(twice) = tree.duplicates().first() {
        return Err(Wrong { at: twice.wins.start, message: "a key that is there already".to_owned() });
    }
    let root = tree.root();
    mapping(root, FILE)?;
    let signers = root.get("signers").map(|list| signers(list)).transpose()?;
    Ok(Settings {
        signers,
        require: root.get("require").and_then(Value::text).map(str::to_owned),
        allow_unsigned_files: root.get("allowUnsignedFiles").and_then(Value::as_bool).unwrap_or(false),
        model_allow: texts(root, "modelAllow"),
    })
}

/// Holds a mapping against its keys.
fn mapping(value: Value<'_>, keys: &[Key]) -> Result<(), Wrong> {
    if !value.is_mapping() {
        return Err(wrong(value, "keys and values were expected".to_owned()));
    }
    for (name, value) in value.entries() {
        let Some(key) = keys.iter().find(|key| key.name == name) else {
            return Err(unknown(value, name, keys));
        };
        shape(value, key)?;
    }
    match keys.iter().find(|key| key.needed && value.get(key.name).is_none()) {
        Some(key) => Err(wrong(value, format!("`{}` is missing: {}", key.name, key.says))),
        None => Ok(()),
    }
}

fn unknown(value: Value<'_>, name: &str, keys: &[Key]) -> Wrong {
    let names = || keys.iter().map(|key| key.name);
    let hint = match (keys::elsewhere(name), nearest(name, names())) {
        (Some(place), _) => format!("it belongs to {place}"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
    };
    let at = value.key_range().map_or(value.range().start, |range| range.start);
    Wrong { at, message: format!("unknown key `{name}`: {hint}") }
}

fn shape(value: Value<'_>, key: &Key) -> Result<(), Wrong> {
    let is_text = |value: Value<'_>| value.text().is_some_and(|text| !text.trim().is_empty());
    let expected = match &key.shape {
        Shape::Entries(keys) if value.is_sequence() => {
            return value.items().try_for_each(|item| mapping(item, keys));
        }
        Shape::Texts if value.is_sequence() && value.items().next().is_some() => {
            let blank = value.items().find(|item| !is_text(*item));
            return blank
                .map_or(Ok(()), |item| Err(wrong(item, format!("`{}`: a text was expected", key.name))));
        }
        Shape::Word(words) => match value.text() {
            Some(text) if words.contains(&text) => return Ok(()),
            Some(text) => {
                let near = nearest(text, words.iter().copied());
                let near = near.map(|word| format!(", did you mean `{word}`?")).unwrap_or_default();
                format!("one of {} was expected, not `{text}`{near}", words.join(", "))
            }
            None => format!("one of {} was expected", words.join(", ")),
        },
        Shape::Day => match value.text().unwrap_or_default().parse::<Date>() {
            // No clock that is asked shows an earlier one. Programs write a day of the year 1 for none.
            Ok(day) if Date::new(1970, 1, 1).is_some_and(|first| day < first) => {
                format!("`{day}` is before 1970; for no last day leave the key out")
            }
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        },
        Shape::Flag if value.as_bool().is_some() => return Ok(()),
        Shape::Number if value.text().is_some_and(is_number) => return Ok(()),
        Shape::Text if is_text(value) => return Ok(()),
        Shape::Entries(_) => "a list was expected".to_owned(),
        Shape::Flag => "true or false was expected".to_owned(),
        Shape::Number => "any, all or a whole number from 1 on was expected".to_owned(),
        Shape::Text => "a text was expected".to_owned(),
        Shape::Texts => "a list with at least one text was expected".to_owned(),
    };
    Err(wrong(value, format!("`{}`: {expected}", key.name)))
}

/// The words of `--require`.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    matches!(text, "any" | "all") || digits && !text.starts_with('0') && text.len() < 10
}

fn signers(list: Value<'_>) -> Result<Vec<Signer>, Wrong> {
    let mut signers: Vec<Signer> = Vec::new();
    for item in list.items() {
        let text = |key: &str| item.get(key).and_then(Value::text).map(str::to_owned);
        let root = match (text("key"), text("ca"), text("identity")) {
            (Some(key), None, None) => Root::Key(key),
            (None, Some(file), identity) => Root::Ca { file, identity },
            (Some(_), None, Some(_)) => {
                return Err(wrong(item, "`identity` belongs to `ca`: a key has no name in it".to_owned()));
            }
            _ => return Err(wrong(item, "one of `key` and `ca` was expected".to_owned())),
        };
        let name = text("name").unwrap_or_default();
        if signers.iter().any(|other| other.name == name) {
            return Err(wrong(item, format!("a second signer named `{name}`")));
        }
        let not_after = text("notAfter").and_then(|day| day.parse().ok());
        signers.push(Signer { name, root, repos: texts(item, "repos"), not_after, tsa: text("tsa") });
    }
    Ok(signers)
}

fn texts(value: Value<'_>, key: &str) -> Vec<String> {
    let items = value.get(key).into_iter().flat_map(Value::items);
    items.filter_map(|item| item.text().map(str::to_owned)).collect()
}

fn wrong(value: Value<'_>, message: String) -> Wrong {
    Wrong { at: value.range().start, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        let settings = read(
            "# ours\nsigners:\n  - {name: release, scheme: oms, key: keys/release.pub, repos: [\"acme/*\"]}\n  - name: build\n    scheme: oms\n    ca: ca.pem\n    identity: build@acme.example\n    tsa: tsa.pem\n    repos: [\"**\"]\n    notAfter: 2027-01-31\nrequire: 2\nallowUnsignedFiles: yes\nmodelAllow: [names.toml]\n",
        )
        .unwrap();
        let signers = settings.signers.unwrap();
        assert_eq!(
            (signers[0].name.as_str(), &signers[0].root),
            ("release", &Root::Key("keys/release.pub".into()))
        );
        let identity = Some("build@acme.example".to_owned());
        assert_eq!(signers[1].root, Root::Ca { file: "ca.pem".to_owned(), identity });
        assert_eq!((signers[0].not_after, signers[1].not_after), (None, Date::new(2027, 1, 31)));
        assert_eq!((signers[0].tsa.as_deref(), signers[1].tsa.as_deref()), (None, Some("tsa.pem")));
        assert_eq!(signers[1].repos, ["**"]);
        assert_eq!((settings.require.as_deref(), settings.allow_unsigned_files), (Some("2"), true));
        assert_eq!(settings.model_allow, ["names.toml"]);
        assert_eq!(read("# nothing yet\n"), Ok(Settings::default()));
        assert_eq!(
            read("signers: []\n").unwrap().signers,
            Some(vec![]),
            "nobody is trusted: not the same as nothing said"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let signer = "signers:\n- {name: a, scheme: oms, key: k, repos: [x]";
        for (text, at, word) in [
            ("signer: []\n", "signer", "did you mean `signers`?"),
            ("notAfter: 2027-01-01\n", "notAfter", "belongs to an entry of `signers`"),
            ("quite: other\n", "quite", "known are signers, require"),
            ("signers: {name: a}\n", "{name", "a list was expected"),
            ("signers:\n", "", "a list was expected"),
            ("require: 0\n", "0", "from 1 on"),
            ("require: most\n", "most", "from 1 on"),
            ("allowUnsignedFiles: \"true\"\n", "\"true\"", "true or false"),
            ("modelAllow: names.toml\n", "names", "a list"),
            ("modelAllow: [a, ]b\n", "b", ""),
            ("require: any\nrequire: all\n", "require: all", "already"),
            ("[]\n", "[]", "keys and values"),
            (&format!("{signer}, notAfter: 2027-02-30}}\n"), "2027-02-30", "no"),
            (&format!("{signer}, requires: 1}}\n"), "requires", "unknown key"),
            (&format!("{signer}, require: 1}}\n"), "require", "the top of the file"),
            (&format!("{signer}, ca: c}}\n"), "{name", "one of `key` and `ca`"),
            (&format!("{signer}, identity: c}}\n"), "{name", "belongs to `ca`"),
            ("signers:\n- {scheme: oms, key: k, repos: [x]}\n", "{scheme", "`name` is missing"),
            ("signers:\n- {name: a, scheme: cosign, key: k, repos: [x]}\n", "cosign", "one of oms"),
            ("signers:\n- {name: a, scheme: oms, key: k, repos: []}\n", "[]", "at least one"),
            (
                &format!("{signer}}}\n- {{name: a, scheme: oms, key: k, repos: [x]}}\n"),
                "{name: a, scheme: oms, key: k, repos: [x]}\n",
                "a second signer",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message.contains(word), "{text}: no `{word}` in {error:?}");
            assert!(text[error.at..].starts_with(at) || at == "b", "{text}: {error:?}");
        }
    }
}
