//! Room `report`: words enter, lines of at most the terminal's width leave. Sentences may be cut, names never are.

use unicode_width::UnicodeWidthStr;

use crate::style::Style;
use crate::style::Tone;

/// A screen that grows downwards.
pub(crate) struct Page<'s> {
    pub(crate) style: &'s Style,
    text: String,
}

impl<'s> Page<'s> {
    pub(crate) fn new(style: &'s Style) -> Self {
        Self { style, text: String::new() }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// One line as it is, without blanks at its end.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// An empty line, never two.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Text that brings its own line breaks.
    pub(crate) fn block(&mut self, block: &str) {
        block.lines().for_each(|line| self.line(line));
    }

    /// `label  words words` with the words wrapped under each other from column `indent`.
    pub(crate) fn labelled(&mut self, label: &str, tone: Tone, indent: usize, words: &str) {
        let label = pad(label, indent);
        let room = self.style.columns().saturating_sub(width(&label));
        let lines = wrap(words, room, self.style.columns().saturating_sub(indent));
        for (index, words) in lines.iter().enumerate() {
            if index == 0 {
                let label = self.style.paint(tone, &label).into_owned();
                self.line(&format!("{label}{words}"));
            } else {
                self.line(&format!("{:indent$}{words}", ""));
            }
        }
    }
}

/// Columns that `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` and blanks up to `columns`; a text that leaves no room gets two blanks, so that it ends somewhere.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let blanks = match columns.saturating_sub(width(text)) {
        0 if !text.trim().is_empty() => 2,
        missing => missing,
    };
    format!("{text}{:blanks$}", "")
}

/// Lines of whole words, the first `first` columns wide and the others `rest`. A longer word stands alone, uncut.
pub(crate) fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let room = if lines.len() == 1 { first } else { rest };
        let needed = width(word);
        if taken > 0 && taken + 1 + needed > room {
            lines.push(String::new());
            taken = 0;
        }
        if let Some(line) = lines.last_mut() {
            if taken > 0 {
                line.push(' ');
                taken += 1;
            }
            line.push_str(word);
            taken += needed;
        }
    }
    lines
}

/// How much further than a line what is left of it is set in.
const HANG: usize = 4;

/// A line as one or more of at most `columns`, broken at blanks. What stands in columns stays there. A longer word stands alone,
/// uncut.
pub(crate) fn fold(line: &str, columns: usize) -> Vec<String> {
    let hang = line.len().saturating_sub(line.trim_start_matches(' ').len()).saturating_add(HANG);
    let (mut lines, mut now) = (Vec::new(), String::new());
    let (mut taken, mut blanks) = (0_usize, 0_usize);
    for (index, word) in line.split(' ').enumerate() {
        blanks = blanks.saturating_add(usize::from(index > 0));
        if word.is_empty() {
            continue;
        }
        let needed = width(word);
        if !now.is_empty() && taken.saturating_add(blanks).saturating_add(needed) > columns {
            lines.push(std::mem::take(&mut now));
            (taken, blanks) = (0, hang);
        }
        now.push_str(&" ".repeat(blanks));
        now.push_str(word);
        taken = taken.saturating_add(blanks).saturating_add(needed);
        blanks = 0;
    }
    lines.push(now);
    lines
}

/// What fits of a line that is no sentence: cut anywhere.
pub(crate) fn fit(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    let mut taken = 0;
    let head = text.chars().take_while(|char| {
        taken += width(char.encode_utf8(&mut [0; 4]));
        taken <= room
    });
    head.chain(ellipsis.chars()).collect()
}

/// The first words of a sentence that fit into `columns`; the first word always stays whole.
pub(crate) fn shorten(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(ellipsis) + 1);
    let first = wrap(text, room, room).into_iter().next().unwrap_or_default();
    format!("{first} {ellipsis}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_between_words_only() {
        assert_eq!(wrap("one two three", 7, 5), ["one two", "three"]);
        assert_eq!(wrap("a-name-longer-than-the-line and", 8, 8), ["a-name-longer-than-the-line", "and"]);
        assert_eq!(wrap("", 8, 8), [""]);
    }

    #[test]
    fn folds_at_blanks_and_keeps_columns() {
        assert_eq!(fold("  keep     Pod/a   RF-1  ", 40), ["  keep     Pod/a   RF-1"]);
        assert_eq!(fold("  keep     Pod/a   RF-1 RF-2", 18), ["  keep     Pod/a", "      RF-1 RF-2"]);
        assert_eq!(
            fold("  a-name-longer-than-the-line it", 8),
            ["  a-name-longer-than-the-line", "      it"]
        );
        assert_eq!(fold("", 8), [""]);
    }

    #[test]
    fn shortens_sentences_but_no_names() {
        assert_eq!(shorten("ml/llama is public", 40, "..."), "ml/llama is public");
        assert_eq!(shorten("ml/llama is public", 15, "..."), "ml/llama is ...");
        assert_eq!(shorten("a-very-long-namespace/name opens it", 10, "…"), "a-very-long-namespace/name …");
    }

    #[test]
    fn fits_what_is_no_sentence() {
        assert_eq!(fit("os.system('id')", 15, "..."), "os.system('id')");
        assert_eq!(fit("os.system('id')", 14, "..."), "os.system('...");
        assert_eq!(fit("日本語", 5, "…"), "日本…");
        assert_eq!(fit("abc", 0, "…"), "…");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(pad("toolong", 3), "toolong  ");
        assert_eq!(pad("", 3), "   ");
    }
}
