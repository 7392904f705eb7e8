//! Room `secret`: the lines below a key-like key -> what of them belongs to its value.

use std::ops::Range;

use super::flow;
use super::line::Line;
use super::name;
use super::trim;
use super::value;
use super::value::Until;

/// Lines that belong to the value of a key-like key.
pub(super) struct Scope {
    /// Column of the key.
    column: usize,
    is_comment: bool,
    body: Body,
    /// No child is harmless: the entries of a Secret.
    takes_all: bool,
    /// Below this column of a child everything is text, or everything is shown.
    child: Option<(usize, Child)>,
}

/// What the lines are.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Body {
    /// A collection in brackets.
    Flow,
    /// The key has no value of its own: a mapping, or a sequence, which may stand in the same column.
    Open,
    /// Text, and nothing in it is a key.
    Text,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Child {
    Reference,
    Text,
}

impl Scope {
    pub(super) fn open(line: &Line<'_>, takes_all: bool) -> Option<Self> {
        let value = line.value_text();
        let body = match value {
            "" => Body::Open,
            _ if value.starts_with(['{', '[']) && !value.starts_with("{{") => Body::Flow,
            _ => Body::Text,
        };
        let is_whole = value::is_visible(value) && body != Body::Open;
        if is_whole || value::read(line.text, line.value, Until::Line).is_closed {
            return None;
        }
        Some(Self { column: line.content, is_comment: line.is_comment, body, takes_all, child: None })
    }

    pub(super) fn holds(&self, line: &Line<'_>) -> bool {
        let is_item = self.body == Body::Open && line.has_dash && line.indent == self.column;
        // A comment in the first column does not end a mapping.
        line.indent > self.column || is_item || line.is_comment != self.is_comment
    }

    pub(super) fn mask(&mut self, line: &Line<'_>, found: &mut Vec<Range<usize>>) {
        if line.is_comment != self.is_comment && line.indent <= self.column {
            return;
        }
        if self
            .child
            .is_some_and(|(column, _)| line.indent < column || (line.indent == column && !line.has_dash))
        {
            self.child = None;
        }
        match (self.child, line.key) {
            (Some((_, Child::Reference)), _) => {}
            (Some((_, Child::Text)), _) => mask_all(line, found),
            _ if self.body == Body::Text => mask_all(line, found),
            (None, Some(key)) if !self.takes_all && flow::is_shown_child(key) => {
                if line.value_text().is_empty() || name::is_reference(key) {
                    self.child = Some((line.content, Child::Reference));
                }
            }
            (None, Some(_)) => {
                let value = line.value_text();
                let is_collection = value.is_empty() || value.starts_with(['{', '[']);
                if trim::is_block_indicator(value) {
                    self.child = Some((line.content, Child::Text));
                } else {
                    mask_scalar(line.text, line.value, found);
                    if !is_collection && !value::read(line.text, line.value, Until::Line).is_closed {
                        self.child = Some((line.content, Child::Text));
                    }
                }
            }
            // A remark between the entries; one that names a key is an entry that was switched off.
            (None, None) if line.is_comment && !self.is_comment => {}
            (None, None) => mask_scalar(line.text, line.content, found),
        }
    }
}

fn mask_all(line: &Line<'_>, found: &mut Vec<Range<usize>>) {
    let content = line.indent..line.text.trim_end().len();
    if !value::is_visible(line.text.get(content.clone()).unwrap_or_default()) {
        found.push(content);
    }
}

/// Masks the scalar or the flow collection at `start`.
pub(super) fn mask_scalar(text: &str, start: usize, found: &mut Vec<Range<usize>>) {
    let rest = text.get(start..).unwrap_or_default();
    if rest.trim_matches(['{', '}', '[', ']', ',', ' ', '\r', '\t']).is_empty()
        || trim::is_block_indicator(rest)
    {
        return;
    }
    let leaves = if rest.starts_with(['{', '[']) && !rest.starts_with("{{") {
        flow::leaves(text, start, false).0
    } else {
        let value = value::read(text, start, Until::Line);
        vec![trim::behind_scheme(text, trim::without_comment_if_visible(text, value).inner)]
    };
    found.extend(
        leaves.into_iter().filter(|leaf| !value::is_visible(text.get(leaf.clone()).unwrap_or_default())),
    );
}
