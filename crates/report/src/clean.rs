//! Room `report`: foreign text enters, text that cannot steer a terminal, a log reader or a layout leaves.
//!
//! Names, values and paths are written by whoever wrote the manifests. Escape sequences move cursors and hide lines,
//! bidirectional controls reorder what is read, zero-width characters make two names look alike, and CI systems
//! execute lines such as `::error ...` or `##[command]`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::ops::Range;

pub(crate) use ringfence_finding::is_unprintable;
use ringfence_secret::Redactor;

/// Characters of a name that are printed; a Kubernetes name has at most 253.
const NAME_LIMIT: usize = 256;
/// Characters of a path; `PATH_MAX` is 4096, and a path longer than this is no place that anyone opens by hand.
const PATH_LIMIT: usize = 1024;
/// Characters of a sentence, which may hold several names.
const SENTENCE_LIMIT: usize = 2000;

/// Hides keys that reached this room in spite of the masking at their source. What the operating system says is none, also
/// behind a name that sounds like one: `secret.txt: Permission denied (os error 13)`.
pub(crate) fn mask(text: &str) -> Cow<'_, str> {
    let redactor = Redactor::shared();
    let reasons = reasons_of_the_system(text);
    if reasons.is_empty() {
        return redactor.mask_text(text);
    }
    let (mut masked, mut from) = (String::with_capacity(text.len()), 0);
    for reason in reasons {
        masked.push_str(&redactor.mask_text(text.get(from..reason.start).unwrap_or_default()));
        from = reason.end;
        masked.push_str(text.get(reason).unwrap_or_default());
    }
    masked.push_str(&redactor.mask_text(text.get(from..).unwrap_or_default()));
    Cow::Owned(masked)
}

/// Where `text` holds, word for word, what this system says of an error number, as [`io::Error`] prints it.
fn reasons_of_the_system(text: &str) -> Vec<Range<usize>> {
    const NUMBER: &str = " (os error ";
    let reason = |(at, _)| {
        let (number, _) = text.get(at + NUMBER.len()..)?.split_once(')')?;
        let end = at + NUMBER.len() + number.len() + 1;
        let reason = io::Error::from_raw_os_error(number.parse().ok()?).to_string();
        text.get(..end)?.ends_with(&reason).then(|| end - reason.len()..end)
    };
    text.match_indices(NUMBER).filter_map(reason).collect()
}

/// A name for people: inert, on one line, the middle of a very long one counted instead of printed.
pub(crate) fn name(text: &str) -> String {
    bounded(text, NAME_LIMIT)
}

/// A name between quotes, with none inside: what stands behind them is ours.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", name(text).replace('"', "\\x22"))
}

/// A path for people; also inert at the start of a line, where CI systems look for commands.
pub(crate) fn path(text: &str) -> String {
    let path = bounded(text, PATH_LIMIT);
    let harmless = |first: char| first.is_alphanumeric() || matches!(first, '.' | '/' | '_' | '-' | '\\');
    // `./` keeps the meaning of a relative path and takes the first column away from it.
    if path.starts_with(harmless) { path } else { format!("./{path}") }
}

/// A sentence for people; a very long name inside it is cut like one that stands alone.
pub(crate) fn sentence(text: &str) -> String {
    if text.len() <= NAME_LIMIT {
        return line(text);
    }
    let words: Vec<_> = text.split(' ').map(|word| cut(word, NAME_LIMIT)).collect();
    bounded(&words.join(" "), SENTENCE_LIMIT)
}

fn bounded(text: &str, limit: usize) -> String {
    line(&cut(text, limit))
}

/// Both ends of `text` where it has more than `limit` characters.
fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    let count = text.chars().count();
    if count <= limit {
        return Cow::Borrowed(text);
    }
    let (head, tail) = (limit / 2, limit / 4);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    Cow::Owned(format!("{start}[{} characters cut]{end}", count - head - tail))
}

/// Control, invisible and reordering characters become visible escapes; the result has no line break.
pub(crate) fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    let mut at_word_start = true;
    while let Some(char) = rest.next() {
        match char {
            '\n' => clean.push_str("\\n"),
            '\r' => clean.push_str("\\r"),
            '\t' => clean.push_str("\\t"),
            // Writing to a String cannot fail.
            _ if char.is_ascii_control() => _ = write!(clean, "\\x{:02x}", u32::from(char)),
            _ if is_unprintable(char) => _ = write!(clean, "\\u{{{:x}}}", u32::from(char)),
            '#' if rest.as_str().starts_with("#[") => clean.push_str("\\x23"),
            ':' if at_word_start && is_workflow_command(rest.as_str()) => clean.push_str("\\x3a"),
            _ => clean.push(char),
        }
        at_word_start = char.is_whitespace();
    }
    clean
}

/// GitHub runners execute `::name args::data` at the start of a line, also after blanks, where wrapping may put it.
/// `::ffff:10.0.0.1` and `::/0` stay as they are: they have no second `::`.
fn is_workflow_command(after_colon: &str) -> bool {
    after_colon.strip_prefix(':').is_some_and(|command| {
        command.starts_with(|first: char| first.is_ascii_alphabetic()) && command.contains("::")
    })
}

/// Lines of a code frame with every byte offset kept, so that ranges into the text still point at the same things.
/// Line feeds and tabs stay; the frame printer lays them out.
pub(crate) fn source(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '\n' | '\t' => clean.push(char),
            '\r' => clean.push(' '),
            '#' if rest.as_str().starts_with("#[") => {
                rest.next();
                clean.push('\u{b7}');
            }
            _ if is_unprintable(char) => clean.push_str(match char.len_utf8() {
                1 => "?",
                2 => "\u{b7}",
                3 => "\u{fffd}",
                _ => "\u{b7}\u{b7}",
            }),
            _ => clean.push(char),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_foreign_text_visible_and_inert() {
        assert_eq!(line("plain näme 日本"), "plain näme 日本");
        assert_eq!(line("a\u{1b}[31mb\u{9b}2J\u{7f}"), "a\\x1b[31mb\\u{9b}2J\\x7f");
        assert_eq!(line("x\n\r\ty"), "x\\n\\r\\ty");
        assert_eq!(line("\u{202e}a\u{200b}b\u{2028}c\u{e0041}"), "\\u{202e}a\\u{200b}b\\u{2028}c\\u{e0041}");
    }

    #[test]
    fn a_reason_of_the_system_is_no_key_whatever_the_file_is_called() {
        let missing = io::Error::from_raw_os_error(2);
        for name in ["secret.txt", "--key token.pub", "dir/api_key.pkl", "a, password"] {
            let text = format!("{name}: {missing}");
            assert_eq!(mask(&text), text);
        }
        let both = format!("secret: {missing}; token: hunter2");
        assert_eq!(mask(&both), format!("secret: {missing}; token: \u{2039}masked\u{203a}"));
        // Words that only look like it are masked as before, and so is a key before them.
        for text in ["token: hunter2 (os error 2)".to_owned(), format!("token: hunter2, {missing}")] {
            assert!(!mask(&text).contains("hunter2"), "{text}");
        }
        let key = ringfence_secret::synthetic::key("huggingface", 7).unwrap();
        assert!(!mask(&format!("{key}: {missing}")).contains(&key));
    }

    #[test]
    fn breaks_the_commands_of_ci_systems_and_keeps_addresses() {
        assert_eq!(line("::error file=a::b"), "\\x3a:error file=a::b");
        assert_eq!(line("see ::add-mask::x"), "see \\x3a:add-mask::x");
        assert_eq!(line("a ##[error] b"), "a \\x23#[error] b");
        assert_eq!(line("0.0.0.0/0 and ::/0 and ::ffff:10.0.0.1"), "0.0.0.0/0 and ::/0 and ::ffff:10.0.0.1");
        assert_eq!(path("::error::x"), "\\x3a:error::x");
        assert_eq!(path("=cmd()"), "./=cmd()");
        assert_eq!(path("-"), "-");
    }

    #[test]
    fn cuts_the_middle_of_a_very_long_name_and_says_how_much() {
        let long = format!("start{}end", "x".repeat(10_000));
        let cut = name(&long);
        assert!(cut.starts_with("start") && cut.ends_with("end"), "{cut}");
        assert!(cut.contains("[9816 characters cut]"), "{cut}");
        assert_eq!(name(&"y".repeat(253)), "y".repeat(253));
    }

    #[test]
    fn source_keeps_every_byte_offset() {
        let hostile = "a\u{1b}b\u{9b}c\u{202e}d\u{e0041}ä日\r\n\t##[e] x";
        let clean = source(hostile);
        assert_eq!(clean, "a?b\u{b7}c\u{fffd}d\u{b7}\u{b7}ä日 \n\t\u{b7}[e] x");
        assert_eq!(clean.len(), hostile.len());
        assert_eq!(clean.find("[e]"), hostile.find("[e]"));
    }
}
