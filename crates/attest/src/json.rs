//! Room `attest`: foreign bytes -> JSON without two readings: no key twice, no depth without end; and a cursor that knows
//! its path, so that a refusal names the place and the rule.

use std::cell::Cell;
use std::fmt;

use serde::de::DeserializeSeed;
use serde::de::Deserializer;
use serde::de::Error as _;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// A JSON value; the order of keys is the file's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Why a document is not taken: the place as a JSON path, and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{rule}", before(path))]
pub struct Refusal {
    /// `$.dsseEnvelope.payload`, for instance.
    pub path: String,
    /// What was expected, or what is wrong.
    pub rule: String,
}

/// Of the document as a whole the rule says all there is.
fn before(path: &str) -> String {
    if path == "$" { String::new() } else { format!("{path}: ") }
}

impl Json {
    /// Reads one document of at most so many values, each of which takes some hundred bytes.
    pub(crate) fn read(bytes: &[u8], most: usize) -> Result<Self, Refusal> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let left = Cell::new(most);
        let value = Seed { depth: 0, left: &left }.deserialize(&mut reader);
        value
            .and_then(|value| reader.end().map(|()| value))
            .map_err(|error| Refusal { path: "$".to_owned(), rule: format!("not strict JSON: {error}") })
    }

    /// The place of the whole document.
    pub(crate) fn root(&self) -> Place<'_> {
        Place { value: self, path: "$".to_owned() }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// A value and how to get there.
#[derive(Clone, Debug)]
pub(crate) struct Place<'j> {
    value: &'j Json,
    path: String,
}

impl<'j> Place<'j> {
    /// A refusal of this value.
    pub(crate) fn refuse(&self, rule: impl Into<String>) -> Refusal {
        Refusal { path: self.path.clone(), rule: rule.into() }
    }

    fn expected(&self, what: &str) -> Refusal {
        self.refuse(format!("{what} was expected, not {}", self.value.kind()))
    }

    /// A field that may be absent; null is no absence.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Self>, Refusal> {
        let Json::Object(fields) = self.value else { return Err(self.expected("an object")) };
        let found = fields.iter().find(|(key, _)| key == name);
        Ok(found.map(|(_, value)| Place { value, path: format!("{}.{name}", self.path) }))
    }

    /// A field that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<Self, Refusal> {
        self.get(name)?.ok_or_else(|| self.refuse(format!("`{name}` is missing")))
    }

    /// Keys other than these.
    pub(crate) fn unknown(&self, known: &[&str]) -> Result<Vec<String>, Refusal> {
        let Json::Object(fields) = self.value else { return Err(self.expected("an object")) };
        let others = fields.iter().filter(|(key, _)| !known.contains(&key.as_str()));
        Ok(others.map(|(key, _)| key.clone()).collect())
    }

    /// Refuses keys other than these: nobody signed them.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.unknown(known)?.first() {
            None => Ok(()),
            Some(key) => Err(self.refuse(format!(
                "unknown key `{key}`, which no signature covers; known: {}",
                known.join(", ")
            ))),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        *self.value == Json::Null
    }

    pub(crate) fn text(&self) -> Result<&'j str, Refusal> {
        let Json::Text(text) = self.value else { return Err(self.expected("a string")) };
        Ok(text)
    }

    /// A string that must be this one.
    pub(crate) fn exactly(&self, wanted: &str) -> Result<(), Refusal> {
        let text = self.text()?;
        if text == wanted {
            Ok(())
        } else {
            Err(self.refuse(format!("`{wanted}` was expected, not `{text}`")))
        }
    }

    pub(crate) fn boolean(&self) -> Result<bool, Refusal> {
        let Json::Bool(value) = self.value else { return Err(self.expected("a boolean")) };
        Ok(*value)
    }

    /// A whole number from 0 to 2^53, also where it is written `2.0`.
    pub(crate) fn whole(&self) -> Result<u64, Refusal> {
        let Json::Number(value) = self.value else { return Err(self.expected("a whole number")) };
        if value.fract() != 0.0 || *value < 0.0 || *value > 9_007_199_254_740_992.0 {
            return Err(self.refuse(format!("a whole number from 0 to 2^53 was expected, not {value}")));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range, as above"
        )]
        Ok(*value as u64)
    }

    pub(crate) fn list(&self) -> Result<impl ExactSizeIterator<Item = Self> + use<'j>, Refusal> {
        let Json::List(items) = self.value else { return Err(self.expected("a list")) };
        let path = self.path.clone();
        Ok(items
            .iter()
            .enumerate()
            .map(move |(index, value)| Place { value, path: format!("{path}[{index}]") }))
    }

    /// The one item of a list.
    pub(crate) fn single(&self) -> Result<Self, Refusal> {
        let mut items = self.list()?;
        match (items.len(), items.next()) {
            (1, Some(item)) => Ok(item),
            (count, _) => Err(self.refuse(format!("exactly one item was expected, not {count}"))),
        }
    }
}

/// The value to read.
#[derive(Clone, Copy)]
struct Seed<'l> {
    depth: usize,
    /// How many values may still come.
    left: &'l Cell<usize>,
}

impl Seed<'_> {
    fn inner(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(D::Error::custom("more values than are read")),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers above 2^53 are refused by whoever reads them")]
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "negative numbers are refused by whoever reads them")]
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner())? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut fields: Vec<(String, Json)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!("key {key:?} twice in one object")));
            }
            fields.push((key, entries.next_value_seed(self.inner())?));
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_reading_or_none() {
        let read = |text: &str| Json::read(text.as_bytes(), 1000);
        let twice = read(r#"{"a":{"b":1,"c":2,"b":1}}"#).unwrap_err();
        assert!(twice.rule.contains("\"b\" twice"), "{twice}");
        assert!(read(r#"{"a":1,"\u0061":1}"#).is_err(), "the same key, written otherwise");
        for bad in ["", "{} x", "{\"a\":1,}", "[NaN]", "{'a':1}", "\u{feff}{}", "01", "\"\\ud800\""] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(64)).is_ok() && read(&nested(66)).is_err());
        assert!(Json::read(b"\"\xff\"", 1).is_err());
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(read(&many(1000)).is_ok());
        assert!(read(&many(1001)).unwrap_err().rule.contains("more values than are read"));
    }

    #[test]
    fn a_number_is_whole_or_refused() {
        for (text, value) in
            [("2", Some(2)), ("2.0", Some(2)), ("-1", None), ("1.5", None), ("1e300", None), ("\"2\"", None)]
        {
            let json = Json::read(text.as_bytes(), 1000).unwrap();
            assert_eq!(json.root().whole().ok(), value, "{text}");
        }
    }
}
