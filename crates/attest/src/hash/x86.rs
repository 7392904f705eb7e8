//! Room `attest`: SHA-256 blocks with the SHA instructions of x86-64, one stream or two that alternate.
//!
//! Each `sha256rnds2` waits for the one before it, so that a single stream leaves the unit idle most of the time: a second,
//! independent stream fills the gaps. More than two spill registers, and would gain nothing on Intel, whose unit takes a
//! `sha256rnds2` every third cycle and answers in the fourth (measured). FIPS 180-4, section 6.2; the register layout
//! (ABEF, CDGH) is Intel's.
#![expect(unsafe_code, reason = "calls functions that need CPU features, after these were looked for")]
#![expect(clippy::many_single_char_names, reason = "a to h are the names of FIPS 180-4")]
#![allow(clippy::wildcard_imports, reason = "one name for each instruction")]
#![expect(clippy::unused_self, reason = "the value is the proof that the instructions are there")]

use std::arch::x86_64::*;

use super::lane::Block;
use super::lane::State;

/// Proof that this CPU has the instructions; the only way to get one is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instructions(());

impl Instructions {
    pub(super) fn detect() -> Option<Self> {
        let here = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1");
        here.then_some(Self(()))
    }

    pub(super) fn one(self, state: &mut State, blocks: &[Block]) {
        // SAFETY: `self` exists only where `detect` saw sha, ssse3 and sse4.1; there is no other requirement.
        unsafe { one(state, blocks) }
    }

    /// As many blocks of both as the shorter one has.
    pub(super) fn two(self, a: &mut State, blocks_a: &[Block], b: &mut State, blocks_b: &[Block]) {
        // SAFETY: as above.
        unsafe { two(a, blocks_a, b, blocks_b) }
    }
}

/// State and message of one stream, in registers.
#[derive(Clone, Copy)]
struct Registers {
    abef: __m128i,
    cdgh: __m128i,
    /// Those of the next four groups of rounds.
    words: [__m128i; 4],
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn one(state: &mut State, blocks: &[Block]) {
    let (mut abef, mut cdgh) = unpack(state);
    for block in blocks {
        let mut a = Registers { abef, cdgh, words: load(block) };
        macro_rules! rounds {
            ($($group:literal)*) => { $(four_rounds::<$group>(&mut a);)* };
        }
        rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        abef = _mm_add_epi32(abef, a.abef);
        cdgh = _mm_add_epi32(cdgh, a.cdgh);
    }
    pack(state, abef, cdgh);
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn two(a: &mut State, blocks_a: &[Block], b: &mut State, blocks_b: &[Block]) {
    let (mut abef_a, mut cdgh_a) = unpack(a);
    let (mut abef_b, mut cdgh_b) = unpack(b);
    for (block_a, block_b) in blocks_a.iter().zip(blocks_b) {
        let mut first = Registers { abef: abef_a, cdgh: cdgh_a, words: load(block_a) };
        let mut second = Registers { abef: abef_b, cdgh: cdgh_b, words: load(block_b) };
        macro_rules! rounds {
            ($($group:literal)*) => { $(
                four_rounds::<$group>(&mut first);
                four_rounds::<$group>(&mut second);
            )* };
        }
        rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        abef_a = _mm_add_epi32(abef_a, first.abef);
        cdgh_a = _mm_add_epi32(cdgh_a, first.cdgh);
        abef_b = _mm_add_epi32(abef_b, second.abef);
        cdgh_b = _mm_add_epi32(cdgh_b, second.cdgh);
    }
    pack(a, abef_a, cdgh_a);
    pack(b, abef_b, cdgh_b);
}

/// Rounds `4 * GROUP` to `4 * GROUP + 3`, and the words that are due four groups later: made when they are due, they delay
/// the rounds, which are what a block takes time for (Intel, two lanes: 102 cycles a block, against 95).
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn four_rounds<const GROUP: usize>(lane: &mut Registers) {
    let [w0, w1, w2, w3] = lane.words;
    let keyed = _mm_add_epi32(w0, constants::<GROUP>());
    lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, keyed);
    lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32::<0x0e>(keyed));
    // The first sixteen words are the block; each later one comes from the sixteen before it.
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
    lane.words = [w1, w2, w3, _mm_sha256msg2_epu32(sum, w3)];
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load(block: &Block) -> [__m128i; 4] {
    // SHA-256 reads big-endian words.
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let (quarters, _) = block.as_chunks::<16>();
    std::array::from_fn(|index| {
        let quarter = quarters.get(index).copied().unwrap_or_default();
        let whole = u128::from_le_bytes(quarter).cast_signed();
        #[expect(clippy::cast_possible_truncation, reason = "takes the low half, then the high one")]
        let value = _mm_set_epi64x((whole >> 64) as i64, whole as i64);
        _mm_shuffle_epi8(value, swap)
    })
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn constants<const GROUP: usize>() -> __m128i {
    #[expect(clippy::indexing_slicing, reason = "an index known to the compiler, below 16")]
    let [k0, k1, k2, k3] = const { ROUND[GROUP] };
    _mm_set_epi32(k3.cast_signed(), k2.cast_signed(), k1.cast_signed(), k0.cast_signed())
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn unpack(state: &State) -> (__m128i, __m128i) {
    let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
    (_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h))
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn pack(state: &mut State, abef: __m128i, cdgh: __m128i) {
    let [f, e, b, a] = [
        _mm_extract_epi32::<0>(abef),
        _mm_extract_epi32::<1>(abef),
        _mm_extract_epi32::<2>(abef),
        _mm_extract_epi32::<3>(abef),
    ];
    let [h, g, d, c] = [
        _mm_extract_epi32::<0>(cdgh),
        _mm_extract_epi32::<1>(cdgh),
        _mm_extract_epi32::<2>(cdgh),
        _mm_extract_epi32::<3>(cdgh),
    ];
    *state = [a, b, c, d, e, f, g, h].map(i32::cast_unsigned);
}

/// FIPS 180-4, section 4.2.2, four a row.
#[rustfmt::skip]
pub(super) const ROUND: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5], [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3], [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc], [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7], [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13], [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3], [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5], [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208], [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];
