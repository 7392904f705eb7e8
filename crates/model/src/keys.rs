//! Room `model`: texts of a model, wherever a format keeps them -> keys of providers that stand in them, by place.
//!
//! A key says nothing about whether loading runs code: the verdict stays as it is. Numbers are never looked at.

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::Window;
use ringfence_secret::Engine;
use ringfence_secret::KeyHit;
use ringfence_secret::Redactor;

/// Takes a text and the byte of the source at which it stands.
pub(crate) type Texts<'t> = dyn FnMut(u64, &[u8]) + 't;

/// Bytes of a text that are looked at in one piece, and how many of them again in the next.
const PIECE: usize = 1 << 20;
const OVERLAP: u64 = 4096;

/// Shortest text that can hold a key and is looked at by itself.
pub(crate) const SHORTEST: u64 = 16;

/// Keys, with the byte of the source at which each stands.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) hits: Vec<(u64, KeyHit)>,
    /// Where the first text stands that was not looked at, or not to its end, because enough is told.
    pub(crate) more: Option<u64>,
}

impl Keys {
    /// Looks at a text that stands at byte `at`.
    pub(crate) fn look(&mut self, at: u64, text: &[u8]) {
        if !Engine::shared().may_match(text) {
            return;
        }
        if self.hits.len() >= crate::Limits::GAPS {
            self.more.get_or_insert(at);
            return;
        }
        for hit in Engine::shared().scan(text) {
            let place = at + hit.range.start as u64;
            // The end of a piece is looked at again with the next one, and a stream is read twice where loaders differ.
            let is_full = self.hits.len() >= crate::Limits::GAPS;
            match self.hits.iter_mut().find(|(known, _)| *known == place) {
                Some((_, known)) if known.range.len() < hit.range.len() => *known = hit,
                Some(_) => {}
                None if is_full => {
                    self.more.get_or_insert(place);
                    return;
                }
                None => self.hits.push((place, hit)),
            }
        }
    }

    /// Looks at a range of a source.
    pub(crate) fn range(source: &dyn Source, at: u64, len: u64) -> Result<Self, ReadError> {
        let mut keys = Self::default();
        pieces(&mut Window::new(source, at), len, &mut |at, text| keys.look(at, text))?;
        Ok(keys)
    }
}

/// Letters of foreign text that a message shows.
const SHOWN: usize = 80;

/// Foreign text as messages show it: keys masked, on one line, its beginning alone.
pub(crate) fn shown(text: &str) -> String {
    let masked = Redactor::shared().mask_text(text);
    let mut letters = masked.escape_debug();
    let mut shown: String = letters.by_ref().take(SHOWN).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Gives the next `len` bytes, in pieces where they are many, and moves behind them; false where the source ends before.
pub(crate) fn pieces(window: &mut Window<'_>, len: u64, texts: &mut Texts<'_>) -> Result<bool, ReadError> {
    if len > window.left() {
        return Ok(false);
    }
    let (mut at, end) = (window.at(), window.at() + len);
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        window.seek(at);
        let bytes = window.peek(want)?;
        let piece = bytes.get(..want.min(bytes.len())).unwrap_or_default();
        if piece.is_empty() {
            return Ok(false);
        }
        texts(at, piece);
        let next = at + piece.len() as u64;
        at = if next < end { next.saturating_sub(OVERLAP).max(at + 1) } else { next };
    }
    window.seek(end);
    Ok(true)
}
