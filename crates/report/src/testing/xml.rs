//! Room `report`, tests: a strict reader of the XML that we write. What it does not know is an error, so that nothing
//! foreign can become markup unseen.

/// An element with what it holds.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Self>,
}

impl Element {
    #[track_caller]
    pub(crate) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no attribute {name} in {self:?}")).1
    }
}

/// The root of a document.
pub(crate) fn read(document: &str) -> Element {
    let rest = document.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
    let (root, rest) = element(rest.trim_start());
    assert_eq!(rest.trim(), "", "something behind the root");
    root
}

fn element(text: &str) -> (Element, &str) {
    let rest = text.strip_prefix('<').unwrap();
    let (name, mut rest) = rest.split_at(rest.find([' ', '>', '/']).unwrap());
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name:?}");
    let mut found = Element { name: name.to_owned(), ..Element::default() };
    while let Some(attribute) = rest.strip_prefix(' ') {
        let (key, value) = attribute.split_once("=\"").unwrap();
        let (value, after) = value.split_once('"').unwrap();
        assert!(found.attributes.iter().all(|(known, _)| known != key), "{key} twice");
        found.attributes.push((key.to_owned(), characters(value)));
        rest = after;
    }
    if let Some(rest) = rest.strip_prefix("/>") {
        return (found, rest);
    }
    rest = rest.strip_prefix('>').unwrap();
    loop {
        let (before, tag) = rest.split_at(rest.find('<').unwrap());
        found.text.push_str(&characters(before));
        if let Some(after) = tag.strip_prefix("</") {
            let after = after.strip_prefix(name).and_then(|after| after.strip_prefix('>')).unwrap();
            return (found, after);
        }
        let (child, after) = element(tag);
        found.children.push(child);
        rest = after;
    }
}

/// Text with its five entities; what XML 1.0 forbids must not be there.
fn characters(text: &str) -> String {
    let allowed = |char: char| matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(allowed) && !text.contains("]]>"), "{text:?}");
    let mut read = String::new();
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        let (entity, after) = entity.split_once(';').unwrap();
        read.push_str(before);
        read.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            other => panic!("entity {other:?}"),
        });
        rest = after;
    }
    read + rest
}
