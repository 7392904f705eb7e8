//! Room `model`, format `jinja`: literals as Python decodes them, and the look at text that cannot be parsed.

use ringfence_finding::Verdict;

use super::Found;

/// The text of one string literal, or of several that stand side by side; none where only Python knows
/// (`\N{LOW LINE}`) or Jinja2 refuses.
pub(super) fn text(source: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = source.trim_start();
    while let Some(quote @ ('\'' | '"')) = rest.chars().next() {
        let body = rest.get(1..)?;
        let mut is_escaped = false;
        let end = body.find(|letter: char| {
            let ends = letter == quote && !is_escaped;
            is_escaped = letter == '\\' && !is_escaped;
            ends
        })?;
        unescape(body.get(..end)?, &mut text)?;
        rest = body.get(end + 1..)?.trim_start();
    }
    rest.is_empty().then_some(text)
}

/// Codec `unicode-escape`.
fn unescape(body: &str, text: &mut String) -> Option<()> {
    let mut rest = body.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        let digits = match rest.next()? {
            '\n' => continue,
            quoted @ ('\\' | '\'' | '"') => {
                text.push(quoted);
                continue;
            }
            'a' => '\x07'.into(),
            'b' => '\x08'.into(),
            'f' => '\x0c'.into(),
            'n' => '\n'.into(),
            'r' => '\r'.into(),
            't' => '\t'.into(),
            'v' => '\x0b'.into(),
            'N' => return None,
            'x' => hex(&mut rest, 2)?,
            'u' => hex(&mut rest, 4)?,
            'U' => hex(&mut rest, 8)?,
            first @ '0'..='7' => {
                let mut code = first.to_digit(8)?;
                for _ in 0..2 {
                    let Some(next) = rest.peek().and_then(|next| next.to_digit(8)) else { break };
                    code = code * 8 + next;
                    rest.next();
                }
                code
            }
            other => {
                text.push('\\');
                other.into()
            }
        };
        text.push(char::from_u32(digits)?);
    }
    Some(())
}

fn hex(rest: &mut impl Iterator<Item = char>, digits: usize) -> Option<u32> {
    (0..digits).try_fold(0_u32, |code, _| code.checked_mul(16)?.checked_add(rest.next()?.to_digit(16)?))
}

/// Ways to write what a template has no business with, where no tree says what they are.
const SINKS: [&str; 10] = [
    "\\x5f",
    "\\u005f",
    "\\137",
    "|attr",
    "| attr",
    "popen",
    "subprocess",
    "lipsum",
    "os.system",
    "gi_frame",
];

/// A template that the parser refuses: Jinja2 may read it all the same.
pub(super) fn unparsed(source: &str) -> Found {
    words(source, "cannot be parsed", "cannot be parsed: Jinja2 may read it all the same")
}

/// A template with a chain that is not followed.
pub(super) fn unfollowed(source: &str) -> Found {
    words(source, "is not followed", "looks up one thing of another more often than is followed")
}

/// What a template holds as words alone.
fn words(source: &str, why: &str, message: &str) -> Found {
    let code = source.find("{{").into_iter().chain(source.find("{%")).min().unwrap_or(source.len());
    let rest = source.get(code..).unwrap_or_default();
    let dunder = dunder(rest);
    let lower = rest.to_ascii_lowercase();
    let sink = dunder.or_else(|| SINKS.iter().filter_map(|sink| lower.find(sink)).min());
    if let Some(at) = sink {
        let message = format!("{why}, and holds names that lead out of a template");
        return Found { at: code + at, verdict: Verdict::Malicious, message };
    }
    Found { at: code, verdict: Verdict::Review, message: message.to_owned() }
}

/// Place of the first word that ends with two underscores and has two more, and a letter, before them. Each word is looked at
/// once: a megabyte of underscores is one word, and would be half a million beginnings of one.
fn dunder(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find("__")?;
        let name = text.get(at + 2..)?;
        let len = name.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let name = name.get(..len.unwrap_or(name.len()))?;
        if name.len() > 2 && name.ends_with("__") {
            return Some(at);
        }
        from = at + 2 + name.len();
    }
}

/// Where a raw block may end for Jinja2, which takes every blank of Unicode between the marks: what follows is code there
/// and text here.
pub(super) fn hidden_end(raw: &str) -> Option<usize> {
    let blank = |letter: char| letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter);
    raw.match_indices("{%").map(|(at, _)| at).find(|at| {
        let rest = raw.get(at + 2..).unwrap_or_default();
        rest.trim_start_matches(['-', '+']).trim_start_matches(blank).starts_with("endraw")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_python() {
        for (source, decoded) in [
            (r"'a' 'b'", Some("ab")),
            (r#""it's""#, Some("it's")),
            (r"'\x5f\137\u005f\U0000005f\q\''", Some("____\\q'")),
            (r"'\N{LOW LINE}'", None),
            (r"'\x5'", None),
            ("'a\\\nb'", Some("ab")),
            ("'ä'", Some("ä")),
        ] {
            assert_eq!(text(source).as_deref(), decoded, "{source}");
        }
    }

    #[test]
    fn a_raw_block_ends_where_jinja2_says() {
        assert_eq!(hidden_end("a {%\u{a0}endraw %} b"), Some(2));
        assert_eq!(hidden_end("a {%-\u{1c}endraw %} b"), Some(2));
        assert_eq!(hidden_end("{% raw %} {{ x }} {% end %}"), None);
    }
}
