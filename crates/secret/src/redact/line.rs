//! Room `secret`: a line -> its indentation, key and value, as YAML or JSON would read it.

use super::value;
use super::value::Quote;
use super::value::Until;
use super::value::skip_blanks;

/// A line as YAML or JSON would read it.
pub(super) struct Line<'t> {
    pub(super) text: &'t str,
    /// Column of the first sign that is neither blank nor a comment sign.
    pub(super) indent: usize,
    pub(super) is_comment: bool,
    pub(super) has_dash: bool,
    /// Column behind the dashes.
    pub(super) content: usize,
    pub(super) key: Option<&'t str>,
    /// Column of the value, or of the end of the line.
    pub(super) value: usize,
}

impl<'t> Line<'t> {
    pub(super) fn parse(text: &'t str) -> Self {
        let text_bytes = text.as_bytes();
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'#' | b'\r');
        let indent = text_bytes.iter().take_while(|byte| blank(byte)).count();
        let is_comment = text.get(..indent).is_some_and(|head| head.contains('#'));
        let mut content = indent;
        let mut has_dash = false;
        while text_bytes.get(content) == Some(&b'-')
            && matches!(text_bytes.get(content + 1), None | Some(b' ' | b'\t' | b'\r'))
        {
            has_dash = true;
            content = skip_blanks(text, content + 1);
        }
        // JSON may put the first key behind its brackets.
        let end = text.trim_end().len();
        while matches!(text_bytes.get(content), Some(b'{' | b'[')) && content + 1 < end {
            content = skip_blanks(text, content + 1);
        }
        let (key, value) = key(text, content).unzip();
        Self { text, indent, is_comment, has_dash, content, key, value: value.unwrap_or(text.len()) }
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.trim_matches(['#', ' ', '\t', '\r']).is_empty()
    }

    /// The value without what surrounds it.
    pub(super) fn scalar(&self) -> &str {
        let found = value::read(self.text, self.value, Until::Line);
        let inner = self.text.get(found.inner).unwrap_or_default();
        inner.split(" #").next().unwrap_or_default().trim_end_matches([',', ' '])
    }

    pub(super) fn value_text(&self) -> &str {
        let mut value = self.text.get(self.value..).unwrap_or_default().trim();
        // Anchors and tags stand before the value.
        while let Some(rest) = value.strip_prefix(['&', '!']) {
            value = rest.split_once(' ').map_or("", |(_, rest)| rest.trim_start());
        }
        if value.starts_with('#') { "" } else { value }
    }
}

/// The key at `start` and where its value begins.
fn key(text: &str, start: usize) -> Option<(&str, usize)> {
    let (key, end) = if let Some(quote) = Quote::open(text, start) {
        let close = quote.close(text, start + quote.len())?;
        (text.get(start + quote.len()..close)?, close + quote.len())
    } else {
        let rest = text.get(start..)?;
        let end = rest.find([':', ' ', '\t', '"', '\'', '{', '[', ','])?;
        (rest.get(..end)?, start + end)
    };
    let colon = skip_blanks(text, end);
    let after = text.as_bytes().get(colon + 1);
    let is_colon = text.as_bytes().get(colon) == Some(&b':');
    let is_quoted = colon > start && matches!(text.as_bytes().get(start), Some(b'"' | b'\''));
    (is_colon && (is_quoted || matches!(after, None | Some(b' ' | b'\t' | b'\r'))))
        .then(|| (key, skip_blanks(text, colon + 1)))
}
