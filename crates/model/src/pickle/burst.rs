//! Room `model`, pickle: the opcodes that nearly all of a large pickle is written in, run in one go while they are in memory.
//! A vocabulary of a million words is four million of them: to ask for each and for its operand alone takes twice the time.

use super::machine::Machine;
use super::value::Coding;
use super::value::Value;
use super::value::is_loadable_utf8;
use crate::keys::Keys;
use crate::keys::SHORTEST;

impl Machine<'_> {
    /// Runs at most `most` opcodes that make a word or a number, set a mark, or use the memo. Each does what `step` does; what
    /// ends a frame, reaches beyond the bytes in memory or is a fault is left to `step`.
    pub(super) fn burst(&mut self, most: u64) {
        let start = self.window.at();
        let held = self.window.rest();
        let room = usize::try_from(self.frame_end.saturating_sub(start)).unwrap_or(usize::MAX);
        let held = held.get(..room).unwrap_or(held);
        let (mut rest, mut done) = (held, 0);
        while done < most {
            let place = |operand: &[u8]| start + (held.len() - operand.len()) as u64;
            let (value, after) = match *rest {
                [0x8c, len, ref text @ ..] => {
                    let word = word(text, len.into(), place(text), &mut self.facts.keys);
                    let Some((word, after)) = word else { break };
                    (Some(word), after)
                }
                [b'X', a, b, 0, 0, ref text @ ..] => {
                    let len = u16::from_le_bytes([a, b]).into();
                    let word = word(text, len, place(text), &mut self.facts.keys);
                    let Some((word, after)) = word else { break };
                    (Some(word), after)
                }
                [b'K', number, ref after @ ..] => (Some(Value::Int(number.into())), after),
                [b'M', a, b, ref after @ ..] => (Some(Value::Int(u16::from_le_bytes([a, b]).into())), after),
                [b'J', a, b, c, d, ref after @ ..] => {
                    (Some(Value::Int(i32::from_le_bytes([a, b, c, d]).into())), after)
                }
                [b'N', ref after @ ..] => (Some(Value::None), after),
                [b'h', key, ..] if self.may_share(key.into()) => break,
                [b'j', a, b, c, d, ..] if self.may_share(u32::from_le_bytes([a, b, c, d]).into()) => break,
                // A name is left to `step`, which looks whether it is one to be followed.
                [b'h', key, ref after @ ..] => match self.memo.get(key.into()) {
                    Some(value) if !self.is_followed(value) => (Some(value), after),
                    _ => break,
                },
                [b'j', a, b, c, d, ref after @ ..] => {
                    match self.memo.get(u32::from_le_bytes([a, b, c, d]).into()) {
                        Some(value) if !self.is_followed(value) => (Some(value), after),
                        _ => break,
                    }
                }
                [0x94, ref after @ ..] => {
                    let Some(top) = self.stack.top() else { break };
                    self.memo.push(top);
                    (None, after)
                }
                [b'q', key, ref after @ ..] => {
                    let Some(top) = self.stack.top() else { break };
                    self.memo.put(key.into(), top);
                    (None, after)
                }
                [b'r', a, b, c, d, ref after @ ..] => {
                    let Some(top) = self.stack.top() else { break };
                    self.memo.put(u32::from_le_bytes([a, b, c, d]).into(), top);
                    (None, after)
                }
                [b'(', ref after @ ..] => {
                    self.stack.mark();
                    (None, after)
                }
                _ => break,
            };
            if let Some(value) = value {
                self.stack.push(value);
            }
            (rest, done) = (after, done + 1);
        }
        let passed = (held.len() - rest.len()) as u64;
        self.facts.opcodes += done;
        // Never false: all of it is in memory.
        self.window.skip(passed);
    }
}

/// The first `len` bytes as text that stands at `at`, and what is behind it; none where they are not all there, or not UTF-8.
#[inline]
fn word<'b>(bytes: &'b [u8], len: usize, at: u64, keys: &mut Keys) -> Option<(Value, &'b [u8])> {
    let (text, after) = bytes.split_at_checked(len)?;
    // `step` looks at what may be a dunder.
    if text.starts_with(b"__") {
        return None;
    }
    if !text.is_ascii() && !is_loadable_utf8(text) {
        return None;
    }
    if len as u64 >= SHORTEST {
        keys.look(at, text);
    }
    Some((Value::Text { at, len: u32::try_from(len).ok()?, coding: Coding::Utf8 }, after))
}

#[cfg(test)]
mod tests {
    use ringfence_artifact::Slice;

    use super::*;
    use crate::Limits;
    use crate::pickle::machine::Frames;
    use crate::testing::random;
    use crate::testing::random::Random;

    /// Everything that one run leaves behind.
    fn left<const BURSTS: bool>(bytes: &[u8], frames: Frames) -> String {
        let (source, limits) = (Slice::new(bytes), Limits::default());
        let mut machine = Machine::new(&source, frames, &limits);
        let end = machine.run_by::<BURSTS>(0);
        let memo: Vec<_> = (0..300).map(|key| machine.memo.get(key)).collect();
        let (at, facts, stack) = (machine.window.at(), &machine.facts, &machine.stack);
        format!("{end:?} at {at}\n{facts:?}\n{stack:?}\n{memo:?} {}", machine.straddles)
    }

    #[test]
    fn bursts_leave_what_single_steps_leave() {
        let mut random = Random::new(7);
        let key = ringfence_secret::synthetic::key("huggingface", 1).unwrap();
        let with_key = [&b"\x80\x04\x8c\x25"[..], key.as_bytes(), b"\x94K\x01."].concat();
        let lone = b"X\x03\0\0\0\xed\xa0\x80N.".to_vec();
        let framed = b"\x80\x04\x95\x03\0\0\0\0\0\0\0\x8c\x04abcd\x94N.".to_vec();
        let ends = b"\x80\x04\x95\x02\0\0\0\0\0\0\0K\x01K\x02\x86\x95\x01\0\0\0\0\0\0\0N.".to_vec();
        let special = [with_key, lone, framed, ends, b"\x94hj\0\0\0\0qqr\0\0\0\xff.".to_vec()];
        let random = (0..3000).map(|_| random::pickle(&mut random));
        for bytes in special.into_iter().chain(random) {
            for frames in [Frames::Flat, Frames::Blocks] {
                assert_eq!(left::<true>(&bytes, frames), left::<false>(&bytes, frames), "{bytes:02x?}");
            }
        }
    }
}
