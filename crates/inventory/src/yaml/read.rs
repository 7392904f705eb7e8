//! YAML text of one document -> tree, over the events of `granit-parser`.

use granit_parser::ErrorKind;
use granit_parser::Event;
use granit_parser::Parser;
use granit_parser::ScalarStyle;
use granit_parser::Span;
use granit_parser::StructureStyle;
use granit_parser::Tag;

use super::builder::Builder;
use super::error::ParseError;
use super::scalar::decode_base64;
use super::tree::Kind;
use super::tree::Tree;

/// Reads one document. None: blank or comments only.
///
/// # Errors
/// With the byte offset in `text`. A second document in `text` is an error: the splitter cuts before.
pub fn read_yaml(text: &str) -> Result<Option<Tree>, ParseError> {
    if let Some(at) = foreign_break(text) {
        let message =
            "a line break of YAML 1.1 (U+0085, U+2028 or U+2029): appliers break the line here, others \
                       read on; write an escape in double quotes"
                .to_owned();
        return Err(ParseError::Syntax { at, message });
    }
    let mut dashes = Vec::new();
    let mut patched = String::new();
    loop {
        let shown = if dashes.is_empty() { text } else { &patched };
        match read(text, shown, &dashes) {
            Err(ParseError::Syntax { at, message })
                if dashes.len() < MAX_DASHES
                    && message.starts_with(DASH)
                    && shown.as_bytes().get(at) == Some(&b'-') =>
            {
                if dashes.is_empty() {
                    text.clone_into(&mut patched);
                }
                patched.replace_range(at..at.saturating_add(1), "_");
                dashes.push(at);
            }
            result => return result,
        }
    }
}

/// `[cat, -]`: YAML 1.2 forbids the lone dash, appliers take it for text. The scanner is shown another character in its
/// place, a few times at most, since every time is a new start.
const DASH: &str = "plain scalar cannot start with '-'";
const MAX_DASHES: usize = 8;

/// First line break that only YAML 1.1 knows: `a:<U+2028>  b: c` nests for an applier and hides from a reader of 1.2.
fn foreign_break(text: &str) -> Option<usize> {
    if text.is_ascii() {
        return None;
    }
    text.find(['\u{85}', '\u{2028}', '\u{2029}'])
}

/// `shown` is `text` but for the bytes at `dashes`.
fn read(text: &str, shown: &str, dashes: &[usize]) -> Result<Option<Tree>, ParseError> {
    let mut builder = Builder::new(text);
    let mut parser = Parser::new_from_str(shown);
    let mut documents = 0_usize;
    // Block collections end where the next token starts; flow ones at their bracket.
    let mut flow = Vec::new();
    // Once for all scalars: a megabyte of blanks at the end is looked through as often as this is asked.
    let rest = text.trim_end_matches([' ', '\t']);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(0);
            match error.kind() {
                // The scanner's own limit on brackets, met before ours when nothing stands between them.
                ErrorKind::RecursionLimitExceeded => ParseError::Depth { at },
                _ => ParseError::Syntax { at, message: error.info() },
            }
        })?;
        let range = bytes(&span, text);
        match event {
            Event::DocumentStart(..) => {
                documents = documents.saturating_add(1);
                if documents > 1 {
                    let message = "a second document starts without a `---` line".to_owned();
                    return Err(ParseError::Syntax { at: range.start, message });
                }
            }
            Event::MappingStart(style, anchor, _) => {
                builder.open(true, anchor, range.start)?;
                flow.push(style == StructureStyle::Flow);
            }
            Event::SequenceStart(style, anchor, _) => {
                builder.open(false, anchor, range.start)?;
                flow.push(style == StructureStyle::Flow);
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let is_flow = flow.pop().unwrap_or(false);
                builder.close(is_flow.then_some(range.end))?;
            }
            Event::Scalar(value, style, anchor, tag) => {
                let kind = if value == "<<" && is_merge_tag(tag.as_deref()) {
                    Kind::Plain
                } else {
                    kind(style, tag.as_deref())
                };
                // An implicit null comes as `~` with an empty span.
                let value = if range.is_empty() && style == ScalarStyle::Plain { "" } else { &*value };
                let value = if dashes.contains(&range.start) { "-" } else { value };
                let value = unfinished_line(value, style, range.end, rest);
                if tag.as_deref().is_some_and(|tag| core_suffix(tag) == Some("binary")) {
                    let bytes = decode_base64(value).ok_or_else(|| ParseError::Syntax {
                        at: range.start,
                        message: "`!!binary` holds no base64".to_owned(),
                    })?;
                    builder.scalar(kind, &String::from_utf8_lossy(&bytes), range, anchor)?;
                } else {
                    builder.scalar(kind, value, range, anchor)?;
                }
            }
            Event::Alias(anchor) => builder.alias(anchor, range.start)?,
            _ => {}
        }
    }
    Ok(builder.finish())
}

/// A block scalar that ends with the text, without a line end, has none in its value either. `rest` is the text without the
/// blanks at its end.
fn unfinished_line<'v>(value: &'v str, style: ScalarStyle, end: usize, rest: &str) -> &'v str {
    let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    if is_block && end >= rest.len() && !rest.ends_with(['\n', '\r']) {
        return value.strip_suffix('\n').unwrap_or(value);
    }
    value
}

fn bytes(span: &Span, text: &str) -> std::ops::Range<usize> {
    let range = span.byte_range().unwrap_or(0..0);
    let end = range.end.min(text.len());
    range.start.min(end)..end
}

/// An explicit tag of YAML itself decides; any other leaves the value as text.
fn kind(style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    match tag.map(core_suffix) {
        None if style == ScalarStyle::Plain => Kind::Plain,
        Some(Some("int" | "float" | "bool" | "null" | "timestamp")) => Kind::Typed,
        _ => Kind::Text,
    }
}

/// `!!merge <<` and `! <<` merge in any style.
fn is_merge_tag(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| core_suffix(tag) == Some("merge") || matches!(tag.parts(), ("", "!") | ("!", "")))
}

/// `int` of `!!int`, `tag:yaml.org,2002:int` written out.
fn core_suffix(tag: &Tag) -> Option<&str> {
    const CORE: &str = "tag:yaml.org,2002:";
    let (handle, suffix) = tag.parts();
    match handle {
        CORE => Some(suffix),
        "" => suffix.strip_prefix(CORE),
        _ => None,
    }
}
