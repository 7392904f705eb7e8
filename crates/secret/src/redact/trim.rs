//! Room `secret`: what a value has around it that tells nothing or is another thing: the scheme of a header, a
//! comment, the next shell command.

use std::ops::Range;

use super::value;
use super::value::Value;
use super::value::skip_blanks;

/// `|`, `>-`, `|2`: the value is on the lines below.
pub(super) fn is_block_indicator(value: &str) -> bool {
    let Some(rest) = value.strip_prefix(['|', '>']) else { return false };
    let indicators =
        rest.bytes().take(2).take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-')).count();
    let rest = rest.get(indicators..).unwrap_or_default();
    rest.starts_with(" #") || rest.trim_end().is_empty()
}

/// `Bearer abc` -> `abc`: the scheme of a header tells nothing.
pub(super) fn behind_scheme(line: &str, range: Range<usize>) -> Range<usize> {
    let text = line.get(range.clone()).unwrap_or_default();
    let scheme = text.split(' ').next().unwrap_or_default();
    let is_scheme = ["basic", "bearer", "token"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if is_scheme && text.len() > scheme.len() + 1 {
        skip_blanks(line, range.start + scheme.len())..range.end
    } else {
        range
    }
}

/// `true # rotated by hand` is as visible as `true`; behind anything else a comment may be part of the value.
pub(super) fn without_comment_if_visible(line: &str, found: Value) -> Value {
    let text = line.get(found.inner.clone()).unwrap_or_default();
    if found.inner.end < found.end || found.is_closed {
        return found;
    }
    let bare = if text.starts_with('#') { "" } else { text.split(" #").next().unwrap_or_default() };
    if value::is_visible(bare) {
        let end = found.inner.start + bare.len();
        return Value { inner: found.inner.start..end, ..found };
    }
    found
}

/// `HF_TOKEN=abc && serve`: a shell line goes on, a value of a `.env` file with blanks does not.
pub(super) fn before_next_command(line: &str, found: Value) -> Value {
    let text = line.get(found.inner.clone()).unwrap_or_default();
    match [" && ", " || ", "; "].iter().filter_map(|next| text.find(next)).min() {
        Some(length) => {
            let end = found.inner.start + length;
            Value { inner: found.inner.start..end, end, ..found }
        }
        None => found,
    }
}
