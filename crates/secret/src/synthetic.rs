//! Room `secret`: seed -> a synthetic key of valid shape, for tests and demos. Nothing in it is a real key,
//! and no key stands in the source: values are assembled when they are asked for.

use crate::allow;
use crate::detector::DETECTORS;
use crate::detector::Detector;
use crate::detector::Piece;

/// A key of the shape that `detector` claims, the same for the same seed. `None` for an unknown detector.
pub fn key(detector: &str, seed: u64) -> Option<String> {
    let row = DETECTORS.iter().find(|row| row.id == detector)?;
    // A random value holds a placeholder word once in tens of thousands; such a one would not be a hit.
    let mut random = SplitMix(seed ^ fold(detector));
    std::iter::repeat_with(|| example(row, seed, &mut random))
        .take(16)
        .find(|value| !allow::is_placeholder(value.as_bytes()))
}

/// Ids of all detectors, in the order of the table.
pub fn detectors() -> impl Iterator<Item = &'static str> {
    DETECTORS.iter().map(|row| row.id)
}

fn example(row: &Detector, seed: u64, random: &mut SplitMix) -> String {
    let lengths = row.examples.len().max(1) as u64;
    let chosen = usize::try_from(seed % lengths).unwrap_or(0);
    let pieces = row.examples.get(chosen).copied().unwrap_or_default();
    assemble(pieces, random)
}

pub(crate) fn assemble(pieces: &[Piece], random: &mut SplitMix) -> String {
    let mut value = String::new();
    for piece in pieces {
        match *piece {
            Piece::Alphanumeric(count) => value.extend(random.characters(62).take(count)),
            Piece::Digits(count) => value.extend(random.characters(10).take(count)),
            Piece::Literal(text) => value.push_str(text),
            Piece::Word(count) => value.extend(random.characters(64).take(count)),
        }
    }
    value
}

/// `SplitMix64`: tiny, and the same on every machine.
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn characters(&mut self, alphabet: u64) -> impl Iterator<Item = char> {
        std::iter::repeat_with(move || match self.next() % alphabet {
            digit @ 0..=9 => offset('0', digit),
            lower @ 10..=35 => offset('a', lower - 10),
            upper @ 36..=61 => offset('A', upper - 36),
            62 => '_',
            _ => '-',
        })
    }
}

fn offset(first: char, by: u64) -> char {
    u32::try_from(by).ok().and_then(|by| char::from_u32(u32::from(first) + by)).unwrap_or(first)
}

/// FNV-1a, so that two detectors share no random part under one seed.
fn fold(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_for_the_same_seed() {
        for id in detectors() {
            assert_eq!(key(id, 7), key(id, 7));
            assert_ne!(key(id, 7), key(id, 8), "{id}");
        }
        assert_eq!(key("no-such-detector", 1), None);
    }
}
