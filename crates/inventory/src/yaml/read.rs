//! YAML text of one document -> tree, over the events of `granit-parser`.

use granit_parser::Event;
use granit_parser::Parser;
use granit_parser::ScalarStyle;
use granit_parser::Span;
use granit_parser::StructureStyle;
use granit_parser::Tag;

use super::builder::Builder;
use super::builder::ParseError;
use super::tree::Kind;
use super::tree::Tree;

/// Reads one document. None: blank or comments only.
///
/// # Errors
/// With the byte offset in `text`. A second document in `text` is an error: the splitter cuts before.
pub fn read_yaml(text: &str) -> Result<Option<Tree>, ParseError> {
    let mut builder = Builder::new(text);
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0_usize;
    // Block collections end where the next token starts; flow ones at their bracket.
    let mut flow = Vec::new();
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| ParseError::Syntax {
            at: error.marker().byte_offset().unwrap_or(0),
            message: error.info(),
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
                let kind = kind(style, tag.as_deref(), &value, range.start)?;
                // An implicit null comes as `~` with an empty span.
                let value = if range.is_empty() && kind == Kind::Plain { "" } else { &*value };
                builder.scalar(kind, value, range, anchor)?;
            }
            Event::Alias(anchor) => builder.alias(anchor, range.start)?,
            _ => {}
        }
    }
    Ok(builder.finish())
}

fn bytes(span: &Span, text: &str) -> std::ops::Range<usize> {
    let range = span.byte_range().unwrap_or(0..0);
    let end = range.end.min(text.len());
    range.start.min(end)..end
}

/// An explicit core tag decides; any other tag leaves the value as text.
fn kind(style: ScalarStyle, tag: Option<&Tag>, value: &str, at: usize) -> Result<Kind, ParseError> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { Kind::Plain } else { Kind::Text });
    };
    if !tag.is_yaml_core_schema() {
        return Ok(Kind::Text);
    }
    let kind = match tag.suffix() {
        "int" | "float" | "bool" | "null" | "timestamp" => Kind::Typed,
        "binary" => Kind::Binary,
        _ => Kind::Text,
    };
    if kind == Kind::Binary && super::scalar::decode_base64(value).is_none() {
        return Err(ParseError::Syntax { at, message: "`!!binary` holds no base64".to_owned() });
    }
    Ok(kind)
}
