//! Room `secret`: lines -> places to mask, with what one line says about the next: lists of names and values,
//! block scalars, sequences, Secrets, arguments, PEM blocks.

use std::ops::Range;

use super::inline;
use super::is_key_like;
use super::line::Line;
use super::scope::Scope;
use super::scope::mask_scalar;
use super::value;
use super::value::Quote;
use super::value::Until;

/// Places to mask in `text`, in no order. None spans a line break, so lines keep their numbers.
pub(super) fn spans(text: &str) -> Vec<Range<usize>> {
    let lines: Vec<Line<'_>> = text.split('\n').map(Line::parse).collect();
    let secrets = secret_documents(&lines);
    let paired = paired_values(&lines);
    let mut state = State::default();
    let mut spans = Vec::new();
    let mut offset = 0;
    for ((line, &is_secret), &is_paired) in lines.iter().zip(&secrets).zip(&paired) {
        let mut found = inline::spans(line.text, is_secret);
        state.enter(line, is_secret, is_paired, &mut found);
        spans.extend(found.into_iter().map(|span| offset + span.start..offset + span.end));
        offset += line.text.len() + 1;
    }
    spans
}

/// For each line, whether its document says `kind: Secret`.
fn secret_documents(lines: &[Line<'_>]) -> Vec<bool> {
    let mut marks = Vec::with_capacity(lines.len());
    for document in lines.split_inclusive(|line| line.text.trim_end() == "---") {
        let is_secret = document.iter().any(|line| says_secret(line.text));
        marks.extend(std::iter::repeat_n(is_secret, document.len()));
    }
    marks
}

fn says_secret(line: &str) -> bool {
    line.match_indices("kind").any(|(at, word)| {
        let rest = line.get(at + word.len()..).unwrap_or_default();
        let rest = rest.trim_start_matches(['\\', '"', '\'', ' ']);
        let Some(kind) = rest.strip_prefix(':') else { return false };
        let kind = kind.trim_start_matches(['\\', '"', '\'', ' ']);
        kind.strip_prefix("Secret").is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    })
}

/// For each line, whether it is the `value` of a mapping whose `name` is key-like, in either order, or the
/// `secretKey` beside an access key.
fn paired_values(lines: &[Line<'_>]) -> Vec<bool> {
    let mut marks = vec![false; lines.len()];
    for (at, line) in lines.iter().enumerate() {
        let partners: &[&str] = match line.key {
            Some("name" | "Name" | "key" | "Key") if is_key_like(line.scalar()) => &["value", "Value"],
            Some(key) if inline::is_access_key(key) => &["secretKey"],
            _ => continue,
        };
        let below = lines.iter().enumerate().skip(at + 1).take(REACH);
        let mut found = same_mapping(line, partners, below, false);
        if !line.has_dash {
            let above = lines.iter().enumerate().take(at).rev().take(REACH);
            found.extend(same_mapping(line, partners, above, true));
        }
        for found in found {
            if let Some(mark) = marks.get_mut(found) {
                *mark = true;
            }
        }
    }
    marks
}

/// Lines looked at on each side of a name; keeps the time linear.
const REACH: usize = 32;

fn same_mapping<'l>(
    name: &Line<'_>,
    partners: &[&str],
    lines: impl Iterator<Item = (usize, &'l Line<'l>)>,
    is_upward: bool,
) -> Vec<usize> {
    let mut values = Vec::new();
    for (steps, (at, line)) in lines.enumerate() {
        let is_next_item = line.has_dash && line.content <= name.content;
        if line.is_blank() || (line.is_comment && !name.is_comment) {
            continue;
        }
        if is_next_item && !is_upward {
            break;
        }
        let is_value = line.key.is_some_and(|key| partners.contains(&key));
        // JSON behind a brace is not aligned, but its neighbour is.
        if is_value && (line.content == name.content || (steps == 0 && !line.has_dash)) {
            values.push(at);
        }
        if is_next_item || line.content < name.content {
            break;
        }
    }
    values
}

/// What the lines so far say about the next.
#[derive(Default)]
struct State {
    scope: Option<Scope>,
    pem: Option<usize>,
    /// Indentation of a flag whose value is the next item.
    flag: Option<usize>,
    /// The line before ends in a flag whose value a shell reads from this one.
    is_continued: bool,
}

impl State {
    fn enter(&mut self, line: &Line<'_>, is_secret: bool, is_paired: bool, found: &mut Vec<Range<usize>>) {
        self.pem(line, found);
        if line.is_blank() {
            return;
        }
        self.argument(line, found);
        self.continued(line, found);
        if let Some(mut scope) = self.scope.take()
            && scope.holds(line)
        {
            scope.mask(line, found);
            self.scope = Some(scope);
            return;
        }
        let Some(key) = line.key else { return };
        let takes_all = key == "stringData" || (is_secret && key == "data");
        if is_paired {
            mask_scalar(line.text, line.value, found);
        }
        if takes_all || is_paired || is_key_like(key) {
            self.scope = Scope::open(line, takes_all);
        }
    }

    /// `- --api-key` and the item after it.
    fn argument(&mut self, line: &Line<'_>, found: &mut Vec<Range<usize>>) {
        let item = value::read(line.text, line.content, Until::Line).inner;
        let text = line.text.get(item).unwrap_or_default().trim_end_matches(',');
        let is_item = line.has_dash || Quote::open(line.text, line.content).is_some();
        if self.flag.take() == Some(line.indent) && is_item && !text.starts_with('-') {
            mask_scalar(line.text, line.content, found);
        }
        let is_flag = text.starts_with('-') && !text.contains(['=', ' ', ':']);
        if is_item && is_flag && is_key_like(text) {
            self.flag = Some(line.indent);
        }
    }

    /// `serve --api-key \` and the word that begins the next line.
    fn continued(&mut self, line: &Line<'_>, found: &mut Vec<Range<usize>>) {
        let starts_value = !line.text.get(line.indent..).unwrap_or_default().starts_with('-');
        if std::mem::take(&mut self.is_continued) && starts_value {
            let word = value::read(line.text, line.indent, Until::Word(0)).inner;
            if !value::is_visible(line.text.get(word.clone()).unwrap_or_default()) {
                found.push(word);
            }
        }
        let before = line.text.trim_end().strip_suffix('\\').map(str::trim_end);
        let flag = before.and_then(|text| text.rsplit(char::is_whitespace).next()).unwrap_or_default();
        self.is_continued = flag.starts_with('-') && !flag.contains('=') && is_key_like(flag);
    }

    /// The body of a private key; its header says what it is and stays.
    fn pem(&mut self, line: &Line<'_>, found: &mut Vec<Range<usize>>) {
        let text = line.text;
        let mut from = line.indent;
        if let Some(end) = private_key_header(text) {
            self.pem = Some(line.indent);
            from = end;
        }
        let Some(column) = self.pem else { return };
        let end = text.get(from..).and_then(|rest| rest.find("-----END")).map(|at| from + at);
        if line.indent < column && !line.is_blank() {
            self.pem = None;
            return;
        }
        let body = from..end.unwrap_or(text.trim_end().len());
        if !value::is_visible(text.get(body.clone()).unwrap_or_default()) {
            found.push(body);
        }
        if end.is_some() {
            self.pem = None;
        }
    }
}

/// Where the header of a private key ends.
fn private_key_header(text: &str) -> Option<usize> {
    let begin = text.find("-----BEGIN ")? + "-----BEGIN ".len();
    let label = text.get(begin..)?;
    let length = label.find("-----")?;
    label.get(..length)?.contains("PRIVATE KEY").then_some(begin + length + "-----".len())
}
