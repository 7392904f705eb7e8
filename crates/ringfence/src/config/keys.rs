//! The keys of `ringfence.yaml`: name, shape and meaning, once for the reader and for the published schema. A key stands
//! here from the day on which something obeys it.

/// A key of a mapping.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// Whether each mapping has to have it.
    pub(super) needed: bool,
    /// What it means, for the schema and for whoever has left it out.
    pub(super) says: &'static str,
}

/// What stands behind a key.
pub(super) enum Shape {
    /// Mappings with these keys.
    Entries(&'static [Key]),
    /// true or false.
    Flag,
    /// A day: `2027-06-30`.
    Day,
    /// Text that is not blank.
    Text,
    /// A list of such texts, at least one.
    Texts,
    /// `any`, `all` or a whole number from 1 on.
    Number,
    /// One of these.
    Word(&'static [&'static str]),
}

/// Keys of the file.
pub(super) const FILE: &[Key] = &[
    Key {
        name: "signers",
        shape: Shape::Entries(SIGNER),
        needed: false,
        says: "Who is trusted to sign which models. An empty list trusts nobody.",
    },
    Key {
        name: "require",
        shape: Shape::Number,
        needed: false,
        says: "How many of the signers of a model have to agree; any where nothing is said.",
    },
    Key {
        name: "allowUnsignedFiles",
        shape: Shape::Flag,
        needed: false,
        says: "Whether files that nobody signed are let through; each result tells it.",
    },
    Key {
        name: "modelAllow",
        shape: Shape::Texts,
        needed: false,
        says: "Files with names that models may look up as well, as `ringfence model allow` writes them; as seen from this file.",
    },
];

/// Keys of an entry of `signers`.
const SIGNER: &[Key] = &[
    Key {
        name: "name",
        shape: Shape::Text,
        needed: true,
        says: "What results call it; different from all others.",
    },
    Key {
        name: "scheme",
        shape: Shape::Word(&["oms"]),
        needed: true,
        says: "Form of the signatures: OpenSSF Model Signing.",
    },
    Key {
        name: "key",
        shape: Shape::Text,
        needed: false,
        says: "File with its public key, as seen from this file; this or `ca`.",
    },
    Key {
        name: "ca",
        shape: Shape::Text,
        needed: false,
        says: "File with the certificates of its authority, as seen from this file; this or `key`.",
    },
    Key {
        name: "identity",
        shape: Shape::Text,
        needed: false,
        says: "With `ca`: whom the certificate must be for, letter by letter: one of its alternative names (mail, host, URI), or its common name where it has none. Without it anybody whom the authority has certified may sign.",
    },
    Key {
        name: "tsa",
        shape: Shape::Text,
        needed: false,
        says: "File with the certificates of those who are trusted to tell the time, as seen from this file: what a timestamp of a signature tells takes the place of the clock, and one that does not hold is a failure. Without it no timestamp is looked at.",
    },
    Key {
        name: "repos",
        shape: Shape::Texts,
        needed: true,
        says: "Globs over names of models such as acme/llama: `*` within a name, `**` across. The name is the last two parts of the path, or what --repo says.",
    },
    Key {
        name: "notAfter",
        shape: Shape::Day,
        needed: false,
        says: "Last day (UTC) on which it is trusted, from 1970 on.",
    },
];

/// Where else a key stands that is not known here.
pub(super) fn elsewhere(name: &str) -> Option<&'static str> {
    let has = |keys: &[Key]| keys.iter().any(|key| key.name == name);
    if has(SIGNER) {
        return Some("an entry of `signers`");
    }
    has(FILE).then_some("the top of the file")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    /// From 1970 on, as long as each month is. Which February has 29 days is left to the format.
    const DAY: &str = "^(19[7-9][0-9]|[2-9][0-9]{3})-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))$";

    fn schema_of(key: &Key) -> Value {
        let text = json!({"type": "string", "minLength": 1, "pattern": "\\S"});
        let mut schema = match &key.shape {
            Shape::Entries(keys) => json!({"type": "array", "items": mapping(keys)}),
            Shape::Flag => json!({"type": "boolean"}),
            Shape::Day => json!({"type": "string", "format": "date", "pattern": DAY}),
            Shape::Text => text,
            Shape::Texts => json!({"type": "array", "minItems": 1, "items": text}),
            Shape::Number => json!({"anyOf": [{"enum": ["any", "all"]}, {"type": "integer", "minimum": 1}]}),
            Shape::Word(words) => json!({"enum": words}),
        };
        schema["description"] = key.says.into();
        schema
    }

    fn mapping(keys: &[Key]) -> Value {
        let mut schema =
            json!({"type": "object", "additionalProperties": false, "required": [], "properties": {}});
        for key in keys {
            schema["properties"][key.name] = schema_of(key);
            if key.needed {
                schema["required"].as_array_mut().unwrap().push(key.name.into());
            }
        }
        schema
    }

    fn schema() -> Value {
        let mut schema = mapping(FILE);
        let entry = &mut schema["properties"]["signers"]["items"];
        entry["oneOf"] =
            json!([{"required": ["key"], "not": {"required": ["identity"]}}, {"required": ["ca"]}]);
        let mut whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://ringfence.dev/schema/ringfence-yaml.v1.schema.json",
            "title": "ringfence.yaml",
            "description": "Configuration of Ringfence. An unknown key is an error.",
        });
        for (key, value) in schema.as_object().unwrap() {
            whole[key] = value.clone();
        }
        whole
    }

    #[test]
    fn generated_schema_of_the_configuration_is_fresh() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/schema/ringfence-yaml.v1.schema.json");
        let text = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == text, "{} is stale: run `cargo xtask gen`", file.display());
    }

    #[test]
    fn the_schema_and_the_reader_agree() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let signer = |more: &str| format!(r#"{{"signers": [{{"name": "a", "scheme": "oms", {more}}}]}}"#);
        let day = |day: &str| signer(&format!(r#""key": "k", "repos": ["a/*"], "notAfter": "{day}""#));
        for (text, good) in [
            ("{}".to_owned(), true),
            (
                r#"{"signers": [], "require": "all", "allowUnsignedFiles": false, "modelAllow": ["a"]}"#
                    .to_owned(),
                true,
            ),
            (signer(r#""key": "k", "repos": ["a/*"], "notAfter": "2027-01-31""#), true),
            (signer(r#""ca": "k", "repos": ["a/*"], "identity": "x", "tsa": "t""#), true),
            (signer(r#""key": "k", "repos": ["a/*"], "tsa": "t""#), true),
            (signer(r#""key": "k", "repos": ["a/*"], "tsa": [1]"#), false),
            (r#"{"require": 2}"#.to_owned(), true),
            (r#"{"require": 0}"#.to_owned(), false),
            (r#"{"require": "some"}"#.to_owned(), false),
            (r#"{"failOn": "high"}"#.to_owned(), false),
            (r#"{"modelAllow": []}"#.to_owned(), false),
            (r#"{"modelAllow": [" "]}"#.to_owned(), false),
            (r#"{"allowUnsignedFiles": "maybe"}"#.to_owned(), false),
            (signer(r#""repos": ["a/*"]"#), false),
            (signer(r#""key": "k", "ca": "k", "repos": ["a/*"]"#), false),
            (signer(r#""key": "k", "identity": "x", "repos": ["a/*"]"#), false),
            (signer(r#""key": "k""#), false),
            (signer(r#""key": "k", "repos": ["a/*"], "notAfter": "soon""#), false),
            (signer(r#""key": "k", "repos": ["a/*"], "schema": "oms""#), false),
            (day("1970-01-01"), true),
            (day("2000-02-29"), true),
            (day("9999-12-31"), true),
            (day("1969-12-31"), false),
            (day("0001-01-01"), false),
            (day("1870-01-01"), false),
            (day("2027-00-10"), false),
            (day("2027-13-10"), false),
            (day("2027-01-00"), false),
            (day("2027-01-32"), false),
            (day("2027-02-30"), false),
            (day("2027-04-31"), false),
            (day("2027-1-31"), false),
            (day("12027-01-31"), false),
        ] {
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(validator.is_valid(&value), good, "the schema on {text}");
            assert_eq!(super::super::read::read(&text).is_ok(), good, "the reader on {text}");
        }
    }
}
