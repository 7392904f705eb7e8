//! Room `secret`: text of any kind -> the same text with every secret masked, line by line. It masks by shape
//! and by name, and when in doubt; it knows nothing of what the text is for.

mod block;
mod credential;
mod edit;
mod flow;
mod inline;
mod line;
mod mark;
mod name;
mod scope;
mod separator;
mod trim;
mod value;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::Engine;
use crate::detector::DETECTORS;
use crate::engine::may_hold_literal;
use edit::Edit;
pub use name::is_key_like;
pub use value::tells_nothing;

/// Masks text before it is printed, logged or stored.
///
/// Give it a whole document, or at least a wide window, and cut the shown lines afterwards: line numbers stay
/// as they are, and a name that stands some lines above its value is then in sight.
///
/// ```
/// let masked = ringfence_secret::Redactor::shared().mask_text("- name: HF_TOKEN\n  value: hunter2");
/// assert_eq!(masked, "- name: HF_TOKEN\n  value: ‹masked›");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Redactor<'e> {
    engine: &'e Engine,
}

/// What stands in the place of a masked value.
pub const MASK: &str = "‹masked›";

impl Redactor<'static> {
    /// The redactor over [`Engine::shared`].
    pub fn shared() -> Self {
        Self { engine: Engine::shared() }
    }
}

impl<'e> Redactor<'e> {
    /// A redactor that finds keys with `engine`.
    pub fn new(engine: &'e Engine) -> Self {
        Self { engine }
    }

    /// `text` with every key in its shown form, and every value under a key-like name as [`MASK`].
    ///
    /// Masking twice changes nothing. The number of lines stays.
    pub fn mask_text(self, text: &str) -> Cow<'_, str> {
        self.mask(text, 0..0).0
    }

    /// `text` for a file that will be searched and masked again: every key as its [mark](crate::KeyHit::mark), every other
    /// value under a key-like name as [`MASK`]. Masking the result says the same as masking `text`, and a search finds
    /// the same keys.
    pub fn mark_text(self, text: &str) -> Cow<'_, str> {
        mark::mark(self, text)
    }

    /// As [`mask_text`](Self::mask_text), with the place in the masked text that `range` of `text` has
    /// become. An end inside a masked value moves to the end of its mask; an end outside the text or inside
    /// a character moves to the nearest place that is none.
    pub fn mask_with_range(self, text: &str, range: Range<usize>) -> (String, Range<usize>) {
        let (masked, range) = self.mask(text, edit::snap(text, range));
        (masked.into_owned(), range)
    }

    fn mask(self, text: &str, range: Range<usize>) -> (Cow<'_, str>, Range<usize>) {
        let mut text = Cow::Borrowed(text);
        let mut range = range;
        for _ in 0..ROUNDS {
            let mut edits = self.keys(&text);
            if edits.is_empty() {
                edits = edit::masks(block::spans(&text));
            }
            if edits.is_empty() {
                break;
            }
            range = edit::moved(&edits, range);
            text = Cow::Owned(edit::apply(&text, &edits));
        }
        (text, range)
    }

    /// Keys by shape: whole ones in their shown form, then pieces of keys, which the engine rightly does not
    /// report but which give as much away.
    fn keys(self, text: &str) -> Vec<Edit> {
        if !may_hold_literal(text.as_bytes()) {
            return Vec::new();
        }
        let hits = self.engine.scan(text.as_bytes());
        if hits.is_empty() {
            return remnants(text);
        }
        hits.into_iter().map(|hit| Edit { range: hit.range, with: hit.shown.to_string().into() }).collect()
    }
}

fn remnants(text: &str) -> Vec<Edit> {
    edit::masks(REMNANT.find_iter(text.as_bytes()).map(|found| found.range()).collect())
}

/// Masking a value can bring another into sight (a name glued to a key); each round leaves less unmasked
/// text, and ordinary text is stable after three.
const ROUNDS: usize = 8;

#[expect(clippy::expect_used, reason = "the table is a constant, and every test compiles all of it")]
static REMNANT: LazyLock<Regex> = LazyLock::new(|| {
    let mut shapes: Vec<&str> = DETECTORS.iter().map(|row| row.remnant).collect();
    shapes.dedup();
    Regex::new(&format!("(?-u:{})", shapes.join("|"))).expect("a pattern of the table compiles")
});

#[cfg(test)]
mod tests;
