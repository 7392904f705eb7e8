//! Room `attest`: SHA-256 blocks of sixteen streams at once, with AVX-512: each register holds one word of all of them.
//!
//! No stream waits for itself here: the other fifteen stand in the same instruction. A block of each takes some 1,700
//! instructions on two ports, whatever the SHA unit of the machine is worth, and streams that are missing cost as much as those that
//! are there. FIPS 180-4, section 6.2.
#![expect(unsafe_code, reason = "calls a function that needs CPU features, after these were looked for")]
#![expect(clippy::many_single_char_names, reason = "a to h are the names of FIPS 180-4")]
#![allow(clippy::wildcard_imports, reason = "one name for each instruction")]
#![expect(clippy::indexing_slicing, reason = "indices below sixteen, counted here or known to the compiler")]
#![expect(clippy::large_types_passed_by_value, reason = "they are registers")]
#![expect(clippy::unused_self, reason = "the value is the proof that the instructions are there")]

use std::arch::x86_64::*;

use super::lane::Block;
use super::lane::State;
use super::lane::WIDTH;
use super::x86::ROUND;

/// Proof that this CPU has the instructions; the only way to get one is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instructions(());

impl Instructions {
    pub(super) fn detect() -> Option<Self> {
        let here = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        here.then_some(Self(()))
    }

    /// As many blocks of each as the shortest has.
    pub(super) fn sixteen(self, states: &mut [State; WIDTH], blocks: &[&[Block]; WIDTH]) {
        // SAFETY: `self` exists only where `detect` saw avx512f and avx512bw; there is no other requirement.
        unsafe { sixteen(states, blocks) }
    }
}

type Row = __m512i;

#[target_feature(enable = "avx512f,avx512bw")]
fn sixteen(states: &mut [State; WIDTH], blocks: &[&[Block]; WIDTH]) {
    let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or_default();
    let mut words = [[0; WIDTH]; 8];
    for (stream, state) in states.iter().enumerate() {
        words.iter_mut().zip(state).for_each(|(row, word)| row[stream] = *word);
    }
    let mut state = words.map(|row| from_words(&row));
    for index in 0..count {
        let mut message = [_mm512_setzero_si512(); WIDTH];
        for (row, blocks) in message.iter_mut().zip(blocks) {
            *row = blocks.get(index).map_or_else(|| _mm512_setzero_si512(), |block| load(block));
        }
        let message = transpose(message);
        let mixed = rounds(state, message);
        for (word, mixed) in state.iter_mut().zip(mixed) {
            *word = _mm512_add_epi32(*word, mixed);
        }
    }
    let words = state.map(|row| to_words(row));
    for (stream, state) in states.iter_mut().enumerate() {
        *state = words.map(|row| row[stream]);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
#[expect(unused_assignments, reason = "the last rounds would make words that nothing needs, and do not")]
fn rounds(state: [Row; 8], mut w: [Row; 16]) -> [Row; 8] {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    // Each word is made anew as soon as it was used: the ports of rotations and of sums are then busy all the time.
    macro_rules! next_word {
        ($row:literal $t:literal) => {
            let (t, late) = const { (($row * 4 + $t) % 16, $row >= 12) };
            if !late {
                let sum = _mm512_add_epi32(small_1(w[(t + 14) % 16]), w[(t + 9) % 16]);
                w[t] = _mm512_add_epi32(_mm512_add_epi32(w[t], small_0(w[(t + 1) % 16])), sum);
            }
        };
    }
    // Names move in place of values: eight rounds bring each back to where it was.
    macro_rules! round {
        ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident $row:literal $t:literal) => {
            let key = _mm512_set1_epi32(const { ROUND[$row + $t / 4][$t % 4] }.cast_signed());
            let keyed = _mm512_add_epi32(_mm512_add_epi32($h, key), w[($row * 4 + $t) % 16]);
            let sum = _mm512_add_epi32(_mm512_add_epi32(keyed, choose($e, $f, $g)), big_1($e));
            $d = _mm512_add_epi32($d, sum);
            $h = _mm512_add_epi32(sum, _mm512_add_epi32(big_0($a), majority($a, $b, $c)));
            next_word!($row $t);
        };
    }
    macro_rules! eight_rounds {
        ($($row:literal)*) => { $(
            round!(a b c d e f g h $row 0);
            round!(h a b c d e f g $row 1);
            round!(g h a b c d e f $row 2);
            round!(f g h a b c d e $row 3);
            round!(e f g h a b c d $row 4);
            round!(d e f g h a b c $row 5);
            round!(c d e f g h a b $row 6);
            round!(b c d e f g h a $row 7);
        )* };
    }
    eight_rounds!(0 2 4 6 8 10 12 14);
    [a, b, c, d, e, f, g, h]
}

macro_rules! functions {
    ($($name:ident: $first:ident $a:literal, $second:ident $b:literal, $third:ident $c:literal;)*) => { $(
        /// FIPS 180-4, section 4.1.2.
        #[inline]
        #[target_feature(enable = "avx512f")]
        fn $name(x: Row) -> Row {
            // 0x96: the exclusive or of all three.
            _mm512_ternarylogic_epi32::<0x96>($first::<$a>(x), $second::<$b>(x), $third::<$c>(x))
        }
    )* };
}

functions! {
    big_0: _mm512_ror_epi32 2, _mm512_ror_epi32 13, _mm512_ror_epi32 22;
    big_1: _mm512_ror_epi32 6, _mm512_ror_epi32 11, _mm512_ror_epi32 25;
    small_0: _mm512_ror_epi32 7, _mm512_ror_epi32 18, _mm512_srli_epi32 3;
    small_1: _mm512_ror_epi32 17, _mm512_ror_epi32 19, _mm512_srli_epi32 10;
}

#[inline]
#[target_feature(enable = "avx512f")]
fn choose(e: Row, f: Row, g: Row) -> Row {
    _mm512_ternarylogic_epi32::<0xca>(e, f, g)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(a: Row, b: Row, c: Row) -> Row {
    _mm512_ternarylogic_epi32::<0xe8>(a, b, c)
}

/// From a block of each stream to a word of all streams, sixteen times; SHA-256 reads big-endian words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(rows: [Row; 16]) -> [Row; 16] {
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15] = rows;
    // Words of four streams, then of all: quarters of a register move as wholes in the end.
    macro_rules! four {
        ($a:ident $b:ident $c:ident $d:ident) => {{
            let (low, high) = (_mm512_unpacklo_epi32($a, $b), _mm512_unpackhi_epi32($a, $b));
            let (low_2, high_2) = (_mm512_unpacklo_epi32($c, $d), _mm512_unpackhi_epi32($c, $d));
            [
                _mm512_unpacklo_epi64(low, low_2),
                _mm512_unpackhi_epi64(low, low_2),
                _mm512_unpacklo_epi64(high, high_2),
                _mm512_unpackhi_epi64(high, high_2),
            ]
        }};
    }
    let first = four!(r0 r1 r2 r3);
    let second = four!(r4 r5 r6 r7);
    let third = four!(r8 r9 r10 r11);
    let fourth = four!(r12 r13 r14 r15);
    let mut words = [_mm512_setzero_si512(); 16];
    macro_rules! quarters {
        ($($t:literal)*) => { $(
            let even = _mm512_shuffle_i32x4::<0x88>(first[$t], second[$t]);
            let odd = _mm512_shuffle_i32x4::<0xdd>(first[$t], second[$t]);
            let even_2 = _mm512_shuffle_i32x4::<0x88>(third[$t], fourth[$t]);
            let odd_2 = _mm512_shuffle_i32x4::<0xdd>(third[$t], fourth[$t]);
            words[$t] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4::<0x88>(even, even_2), swap);
            words[$t + 4] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4::<0x88>(odd, odd_2), swap);
            words[$t + 8] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4::<0xdd>(even, even_2), swap);
            words[$t + 12] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4::<0xdd>(odd, odd_2), swap);
        )* };
    }
    quarters!(0 1 2 3);
    words
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(block: &Block) -> Row {
    let (words, _) = block.as_chunks::<8>();
    let word = |index: usize| words.get(index).map_or(0, |word| i64::from_le_bytes(*word));
    _mm512_set_epi64(word(7), word(6), word(5), word(4), word(3), word(2), word(1), word(0))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn from_words(words: &[u32; 16]) -> Row {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = words.map(u32::cast_signed);
    _mm512_set_epi32(p, o, n, m, l, k, j, i, h, g, f, e, d, c, b, a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn to_words(row: Row) -> [u32; 16] {
    let mut words = [0; 16];
    for (index, quarter) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let part = match index {
            0 => _mm512_extracti32x4_epi32::<0>(row),
            1 => _mm512_extracti32x4_epi32::<1>(row),
            2 => _mm512_extracti32x4_epi32::<2>(row),
            _ => _mm512_extracti32x4_epi32::<3>(row),
        };
        *quarter = [
            _mm_extract_epi32::<0>(part),
            _mm_extract_epi32::<1>(part),
            _mm_extract_epi32::<2>(part),
            _mm_extract_epi32::<3>(part),
        ]
        .map(i32::cast_unsigned);
    }
    words
}
