//! Room `model`: texts of a model -> what is looked for in them, wherever a format keeps text.

use ringfence_artifact::ReadError;
use ringfence_artifact::Window;

/// Takes a text and the byte of the source at which it stands.
pub(crate) type Texts<'t> = dyn FnMut(u64, &[u8]) + 't;

/// Bytes of a text that are looked at in one piece, and how many of them again in the next.
const PIECE: usize = 1 << 20;
const OVERLAP: u64 = 4096;

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
