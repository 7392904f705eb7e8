//! Room `model`, pickle: where a stream may begin in bytes that nothing accounts for.

use memchr::memchr2;
use ringfence_artifact::ReadError;
use ringfence_artifact::Window;

use crate::limits::Limits;

/// Bytes that are looked at in one piece; a candidate may stand across its end.
const PIECE: usize = 512 << 10;
/// Longest candidate: `c`, two names, two line feeds.
const OVERLAP: usize = 2 * Limits::NAME + 3;

/// The next place from `at` on where a header of protocol 2 to 5 or a GLOBAL with two names stands.
pub(super) fn next(window: &mut Window<'_>, at: u64) -> Result<Option<u64>, ReadError> {
    window.seek(at);
    loop {
        let here = window.peek(PIECE)?;
        let mut from = 0;
        while let Some(place) = here.get(from..).and_then(|rest| memchr2(0x80, b'c', rest)) {
            let candidate = here.get(from + place..).unwrap_or_default();
            if begins(candidate) {
                return Ok(Some(window.at() + (from + place) as u64));
            }
            // Every `c` of a run of letters has the same end, so one look at the run is enough.
            from += place + 1 + candidate.get(1..).map_or(0, name);
        }
        let count = here.len() as u64;
        let is_last = count >= window.left();
        if is_last {
            return Ok(None);
        }
        window.skip(count.saturating_sub(OVERLAP as u64).max(1));
    }
}

fn begins(bytes: &[u8]) -> bool {
    match bytes {
        [0x80, 2..=5, opcode, ..] => is_opcode(*opcode),
        [b'c', rest @ ..] => {
            let module = name(rest);
            let behind = rest.get(module + 1..).unwrap_or_default();
            let attribute = name(behind);
            module > 0
                && rest.get(module) == Some(&b'\n')
                && attribute > 0
                && behind.get(attribute) == Some(&b'\n')
        }
        _ => false,
    }
}

/// Length of the dotted name that `bytes` begin with.
fn name(bytes: &[u8]) -> usize {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    bytes.iter().take(Limits::NAME).take_while(|byte| part(byte)).count()
}

/// Whether the byte is an opcode of any protocol.
pub(super) fn is_opcode(byte: u8) -> bool {
    matches!(byte, 0x80..=0x98) || b"(.012FIJKLMNPQRSTUVX}])abcdeghijlopqrstuBCG".contains(&byte)
}

#[cfg(test)]
mod tests {
    use ringfence_artifact::Slice;

    use super::*;

    #[test]
    fn finds_streams_behind_junk_and_across_pieces() {
        for (junk, payload) in [
            (0, &b"\x80\x04N."[..]),
            (7, b"cos\nsystem\n"),
            (PIECE - 3, b"\x80\x02]."),
            (PIECE + 1, b"ca.b\nc\n"),
        ] {
            let mut bytes = vec![b'c'; junk];
            bytes.extend_from_slice(payload);
            let source = Slice::new(bytes);
            let found = next(&mut Window::new(&source, 0), 0).unwrap();
            // A run of `c` is part of the name that follows.
            assert!(found.is_some_and(|at| at <= junk as u64), "{junk}: {found:?}");
        }
        for nothing in [&b""[..], b"\x80\x04", b"\x80\x06N.", b"c\n\n", b"cos\nsys tem\n", b"cos\nsystem"] {
            let source = Slice::new(nothing);
            assert_eq!(next(&mut Window::new(&source, 0), 0).unwrap(), None, "{nothing:?}");
        }
    }

    #[test]
    fn there_are_sixty_eight_opcodes() {
        assert_eq!((0..=255).filter(|byte| is_opcode(*byte)).count(), 68);
    }
}
