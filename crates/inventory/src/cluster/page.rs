//! Room `inventory`, live: bytes of a list as they come from the wire -> its items one by one, and the rest of it. No
//! more than one item is held at a time, whatever the size of the page.

/// Largest single item: etcd takes 1.5 MB by default, and its JSON is longer than its stored form.
const MAX_ITEM: usize = 32 << 20;
/// Largest rest of a page: kind, version and metadata of the list.
const MAX_REST: usize = 1 << 20;

/// Why bytes are no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadPage {
    /// Not JSON, or no list of objects: what is wrong.
    Broken(String),
    /// An item or the rest is larger than any server sends.
    TooLarge(&'static str),
}

/// Where the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the object of the list, outside of its items.
    Around,
    /// Between two items.
    Between,
    /// In an item.
    Inside,
}

/// Cuts a list into items.
#[derive(Debug)]
pub(super) struct PageReader {
    place: Place,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// What stands around the items.
    rest: Vec<u8>,
    /// The item that is being received.
    item: Vec<u8>,
}

impl PageReader {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Around,
            depth: 0,
            in_string: false,
            escaped: false,
            rest: Vec::new(),
            item: Vec::new(),
        }
    }

    /// Takes the next bytes and hands out each item that they complete, as text.
    pub(super) fn feed(&mut self, bytes: &[u8], mut on_item: impl FnMut(&str)) -> Result<(), BadPage> {
        let mut at = 0_usize;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or(&[]);
            let (taken, ends_item) = match self.place {
                Place::Around => (self.around(rest), false),
                Place::Between => (self.between(rest)?, false),
                Place::Inside => self.inside(rest),
            };
            if self.item.len() > MAX_ITEM {
                return Err(BadPage::TooLarge("an object of more than 32 MiB"));
            }
            if self.rest.len() > MAX_REST {
                return Err(BadPage::TooLarge("a list whose own fields take more than 1 MiB"));
            }
            if ends_item {
                let text = std::str::from_utf8(&self.item)
                    .map_err(|_| BadPage::Broken("an item is not UTF-8".to_owned()))?;
                on_item(text);
                self.item.clear();
            }
            at = at.saturating_add(taken);
        }
        Ok(())
    }

    /// The list without its items, as text, once all bytes are there.
    pub(super) fn finish(self) -> Result<String, BadPage> {
        if self.place != Place::Around || self.depth != 0 || self.rest.is_empty() {
            return Err(BadPage::Broken("the answer ends in the middle".to_owned()));
        }
        String::from_utf8(self.rest).map_err(|_| BadPage::Broken("the list is not UTF-8".to_owned()))
    }

    /// Until the items begin.
    fn around(&mut self, bytes: &[u8]) -> usize {
        for (index, byte) in bytes.iter().enumerate() {
            let begins = *byte == b'[' && !self.in_string && self.depth == 1 && ends_with_items(&self.rest);
            self.step(*byte);
            self.rest.push(*byte);
            if begins {
                self.place = Place::Between;
                return index.saturating_add(1);
            }
            if self.rest.len() > MAX_REST {
                return index.saturating_add(1);
            }
        }
        bytes.len()
    }

    /// Until the next item begins, or the list of items ends.
    fn between(&mut self, bytes: &[u8]) -> Result<usize, BadPage> {
        for (index, byte) in bytes.iter().enumerate() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => {}
                b']' => {
                    self.step(*byte);
                    self.rest.push(*byte);
                    self.place = Place::Around;
                    return Ok(index.saturating_add(1));
                }
                b'{' => {
                    self.place = Place::Inside;
                    self.depth = 0;
                    self.step(*byte);
                    self.item.push(*byte);
                    return Ok(index.saturating_add(1));
                }
                _ => return Err(BadPage::Broken("`items` holds something that is no object".to_owned())),
            }
        }
        Ok(bytes.len())
    }

    /// Until the item ends; true: it did.
    fn inside(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0_usize;
        while let Some(byte) = bytes.get(at) {
            if self.in_string && !self.escaped {
                // Most bytes are text: look for its end only.
                let text = bytes.get(at..).unwrap_or(&[]);
                match memchr::memchr2(b'"', b'\\', text) {
                    Some(0) => {}
                    Some(length) => {
                        at = at.saturating_add(length);
                        continue;
                    }
                    None => {
                        at = bytes.len();
                        break;
                    }
                }
            }
            self.step(*byte);
            at = at.saturating_add(1);
            if self.depth == 0 {
                self.item.extend_from_slice(bytes.get(..at).unwrap_or(&[]));
                self.place = Place::Between;
                // Back in the list of items, inside the object of the list.
                self.depth = 2;
                return (at, true);
            }
        }
        self.item.extend_from_slice(bytes.get(..at).unwrap_or(&[]));
        (at, false)
    }

    /// Follows strings and brackets.
    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// Whether the text so far ends with the key `items` and its colon.
fn ends_with_items(text: &[u8]) -> bool {
    let before_colon = text.trim_ascii_end().strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    before_colon.is_some_and(|text| text.ends_with(b"\"items\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, piece: usize) -> Result<(Vec<String>, String), BadPage> {
        let (mut reader, mut items) = (PageReader::new(), Vec::new());
        for bytes in text.as_bytes().chunks(piece) {
            reader.feed(bytes, |item| items.push(item.to_owned()))?;
        }
        reader.finish().map(|rest| (items, rest))
    }

    #[test]
    fn items_come_out_whole_wherever_the_wire_cuts() {
        let text = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"x","note":"\"items\":["},
 "items" : [ {"a":"}]\"\\","items":[{"b":1}]} ,{"é":"\\"},{} ], "after": [1]}"#;
        let expected = (
            vec![
                r#"{"a":"}]\"\\","items":[{"b":1}]}"#.to_owned(),
                r#"{"é":"\\"}"#.to_owned(),
                "{}".to_owned(),
            ],
            r#"{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"x","note":"\"items\":["},
 "items" : [], "after": [1]}"#
                .to_owned(),
        );
        for piece in 1..=text.len() {
            assert_eq!(cut(text, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn what_is_cut_short_or_no_list_is_never_a_list() {
        let text = r#"{"kind":"PodList","items":[{"a":1},{"b":2}]}"#;
        for end in 0..text.len() {
            assert!(cut(&text[..end], 7).is_err(), "{}", &text[..end]);
        }
        assert!(cut(r#"{"items":[1]}"#, 100).is_err());
        assert!(cut(r#"{"items":["a"]}"#, 100).is_err());
    }

    #[test]
    fn an_endless_item_or_list_ends_the_reading() {
        let mut reader = PageReader::new();
        reader.feed(b"{\"items\":[{\"a\":\"", |_| {}).unwrap();
        let more = vec![b'x'; 1 << 20];
        let result = (0..64).try_for_each(|_| reader.feed(&more, |_| {}));
        assert!(matches!(result, Err(BadPage::TooLarge(_))));
        let mut reader = PageReader::new();
        let result = (0..64).try_for_each(|_| reader.feed(&more, |_| {}));
        assert!(matches!(result, Err(BadPage::TooLarge(_))));
    }
}
