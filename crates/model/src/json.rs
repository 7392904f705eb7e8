//! Room `model`: JSON text -> a tree that keeps duplicate keys and the place of each value. Bounded in depth.

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Json {
    pub(crate) at: usize,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    /// In order, with keys that are there twice.
    Object(Vec<(String, Json)>),
}

/// Text that is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// Deepest nesting.
const DEPTH: usize = 100;
/// Bytes that the tree of one text may take; the largest tokenizers, with two million values, take 120 MB.
const ROOM: usize = 160 << 20;

impl Json {
    /// The last value of a key, as readers take it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(crate) fn entries(&self) -> &[(String, Self)] {
        if let Value::Object(entries) = &self.value { entries } else { &[] }
    }

    pub(crate) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// A whole number without sign.
    pub(crate) fn number(&self) -> Option<u64> {
        if let Value::Number(digits) = &self.value { digits.parse().ok() } else { None }
    }
}

/// Reads one value; what stands behind it, blanks aside, is where the second part of the result points.
pub(crate) fn read(text: &str) -> Result<(Json, usize), JsonError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, room: ROOM };
    reader.blanks();
    let value = reader.value(0)?;
    reader.blanks();
    Ok((value, reader.at))
}

/// Where byte `within` of a decoded string stands in the text, whose quote is at `at`.
pub(crate) fn place(text: &str, at: usize, within: usize) -> usize {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: at + 1, room: ROOM };
    let mut decoded = 0;
    while decoded < within {
        match reader.peek() {
            None | Some(b'"') => break,
            Some(b'\\') => {
                reader.at += 1;
                let Ok(letter) = reader.escape() else { break };
                decoded += letter.len_utf8();
            }
            Some(_) => {
                reader.at += 1;
                decoded += 1;
            }
        }
    }
    reader.at
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// Bytes that the tree may still take.
    room: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(JsonError { at: self.at, what })
    }

    /// Accounts for what the tree takes, before it does.
    fn take(&mut self, bytes: usize) -> Result<(), JsonError> {
        match self.room.checked_sub(bytes) {
            Some(room) => self.room = room,
            None => return self.error("more values than are read"),
        }
        Ok(())
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        self.error(what)
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > DEPTH {
            return self.error("nested too deep");
        }
        self.take(size_of::<Json>())?;
        let at = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            // Python's own writer gives these.
            Some(b'N') => self.word("NaN", Value::Number("NaN".to_owned()))?,
            Some(b'I') => self.word("Infinity", Value::Number("Infinity".to_owned()))?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return self.error("a value is missing"),
        };
        Ok(Json { at, value })
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(value);
        }
        self.error("an unknown word")
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if self.text.get(start..).is_some_and(|rest| rest.starts_with("-Infinity")) {
            self.at += "-Infinity".len();
            return Ok(Value::Number("-Infinity".to_owned()));
        }
        while matches!(self.peek(), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        self.take(on_heap(self.at - start))?;
        let digits = self.text.get(start..self.at).unwrap_or_default();
        if digits.parse::<f64>().is_err() {
            return self.error("not a number");
        }
        Ok(Value::Number(digits.to_owned()))
    }

    fn list(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            self.blanks();
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b']', "a list without its end")?;
                items.shrink_to_fit();
                return Ok(Value::List(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut entries = Vec::new();
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(entries));
        }
        loop {
            self.blanks();
            self.take(size_of::<String>())?;
            let key = self.string()?;
            self.blanks();
            self.expect(b':', "a key without a value")?;
            self.blanks();
            entries.push((key, self.value(depth + 1)?));
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b'}', "an object without its end")?;
                entries.shrink_to_fit();
                return Ok(Value::Object(entries));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.expect(b'"', "a string is missing")?;
        let mut text = String::new();
        loop {
            let start = self.at;
            let rest = self.bytes.get(start..).unwrap_or_default();
            let stop = memchr::memchr2(b'"', b'\\', rest).map(|place| start + place);
            let Some(stop) = stop else { return self.error("a string without its end") };
            text.push_str(self.text.get(start..stop).unwrap_or_default());
            self.at = stop + 1;
            if self.bytes.get(stop) == Some(&b'"') {
                text.shrink_to_fit();
                self.take(on_heap(text.len()))?;
                return Ok(text);
            }
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'u') => {
                let first = self.hex()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return Ok(char::from_u32(first).unwrap_or('\u{fffd}'));
                }
                if self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u")) {
                    let back = self.at;
                    self.at += 2;
                    let second = self.hex()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
                    }
                    self.at = back;
                }
                '\u{fffd}'
            }
            _ => return self.error("an unknown escape"),
        })
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| !digits.starts_with('+'));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.error("an escape without four digits"),
        }
    }
}

/// What an allocator takes for so many bytes: none for none, else a multiple of sixteen with eight of its own, 32 at least.
fn on_heap(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_serde_json_and_keeps_what_that_loses() {
        for text in [
            r#"{"a":[1,-2.5e3,true,false,null,"x\n\u00e9\ud83d\ude00\/"],"b":{}}"#,
            "[]",
            " 7 ",
            r#""""#,
            r#"{"":{"":[[]]}}"#,
        ] {
            assert!(read(text).is_ok(), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
        }
        for text in
            ["", "{", "[1,]", "{\"a\"}", "{'a':1}", "\"\\x\"", "\"\\u00g0\"", "tru", "-", "[1 2]", "\"x"]
        {
            assert!(read(text).is_err(), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
        }
        let (twice, end) = read(r#"{"a":1,"a":2} x"#).unwrap();
        assert_eq!((twice.entries().len(), end), (2, 14));
        assert_eq!(twice.get("a").and_then(Json::number), Some(2));
        let (text, _) = read(r#""\ud83d\ude00\ud800x""#).unwrap();
        assert_eq!(text.text(), Some("\u{1f600}\u{fffd}x"));
        let escaped = r#" "a\u00e9\ud83d\ude00\nb""#;
        assert_eq!((place(escaped, 1, 1), place(escaped, 1, 7), place(escaped, 1, 8)), (3, 21, 23));
        assert!(read(&"[".repeat(100_000)).is_err());
        for part in ["0,", "{\"auto_map\":1},", "{\"\":[]},"] {
            let many = format!("[{}0]", part.repeat(ROOM / 60));
            assert_eq!(read(&many).unwrap_err().what, "more values than are read");
        }
        let one = format!("[{}0]", "0,".repeat(1_500_000));
        assert!(read(&one).is_ok());
    }
}
