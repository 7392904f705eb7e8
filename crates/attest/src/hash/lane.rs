//! Room `attest`: bytes of one stream, of two at once, or of many, in pieces of any length -> SHA-256.

use std::sync::OnceLock;
use std::time::Duration;
use std::time::Instant;

use super::Sha256;
#[cfg(target_arch = "x86_64")]
use super::wide;
#[cfg(target_arch = "x86_64")]
use super::x86;

/// Bytes that SHA-256 takes at a time.
pub(super) type Block = [u8; 64];
/// The eight words between two blocks.
pub(super) type State = [u32; 8];

/// FIPS 180-4, section 5.3.3.
const START: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Most streams that are taken at once.
pub(super) const WIDTH: usize = 16;

/// What turns blocks into states on this machine: crate `sha2`, unless there is something faster.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// One stream, and two that alternate.
    #[cfg(target_arch = "x86_64")]
    sha: Option<x86::Instructions>,
    /// Many streams.
    #[cfg(target_arch = "x86_64")]
    wide: Option<wide::Instructions>,
}

impl Engine {
    /// Runs on any machine, one stream after the other.
    pub const PORTABLE: Self = Self {
        #[cfg(target_arch = "x86_64")]
        sha: None,
        #[cfg(target_arch = "x86_64")]
        wide: None,
    };

    /// The fastest of this machine.
    pub fn detect() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            sha: x86::Instructions::detect(),
            #[cfg(target_arch = "x86_64")]
            wide: wide::Instructions::detect(),
        }
    }

    /// From how many streams on it costs less to take them all at once than two and two; none where it never does. Which of
    /// the two is faster differs by the model of the CPU, so it is measured, once: some tenths of a millisecond.
    pub(super) fn many(self) -> Option<usize> {
        static MANY: OnceLock<Option<usize>> = OnceLock::new();
        *MANY.get_or_init(|| self.measure())
    }

    fn measure(self) -> Option<usize> {
        #[cfg(target_arch = "x86_64")]
        self.wide?;
        let blocks = [[0x61; 64]; 32];
        let (mut a, mut b, mut states) = (START, START, [START; WIDTH]);
        let (mut pair, mut all) = (Duration::MAX, Duration::MAX);
        // The least of several: whatever interrupts a run only adds to it.
        for _ in 0..8 {
            let start = Instant::now();
            self.two(&mut a, &blocks, &mut b, &blocks);
            pair = pair.min(start.elapsed());
            let start = Instant::now();
            self.many_blocks(&mut states, [&blocks; WIDTH]);
            all = all.min(start.elapsed());
        }
        let least = usize::try_from(2 * all.as_nanos() / pair.as_nanos().max(1)).ok()? + 1;
        (least <= WIDTH).then_some(least.max(3))
    }

    fn one(self, state: &mut State, blocks: &[Block]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(instructions) = self.sha {
            return instructions.one(state, blocks);
        }
        sha2::block_api::compress256(state, blocks);
    }

    /// Both slices have the same length.
    fn two(self, a: &mut State, blocks_a: &[Block], b: &mut State, blocks_b: &[Block]) {
        debug_assert_eq!(blocks_a.len(), blocks_b.len());
        #[cfg(target_arch = "x86_64")]
        if let Some(instructions) = self.sha {
            return instructions.two(a, blocks_a, b, blocks_b);
        }
        sha2::block_api::compress256(a, blocks_a);
        sha2::block_api::compress256(b, blocks_b);
    }

    /// All slices have the same length.
    fn many_blocks(self, states: &mut [State; WIDTH], blocks: [&[Block]; WIDTH]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(instructions) = self.wide {
            return instructions.sixteen(states, &blocks);
        }
        for (state, blocks) in states.iter_mut().zip(blocks) {
            self.one(state, blocks);
        }
    }
}

/// A stream on its way to its digest.
#[derive(Clone, Debug)]
pub struct Lane {
    engine: Engine,
    state: State,
    /// The block that is not whole yet.
    open: Block,
    filled: usize,
    /// Bytes so far.
    total: u64,
}

impl Lane {
    /// From how many streams on [`Lane::update_many`] costs less than [`Lane::update_two`]; none where it never does.
    pub(super) fn many(&self) -> Option<usize> {
        self.engine.many()
    }

    /// A stream of no bytes.
    pub fn new(engine: Engine) -> Self {
        Self { engine, state: START, open: [0; 64], filled: 0, total: 0 }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = self.complete(bytes).as_chunks::<64>();
        self.engine.one(&mut self.state, blocks);
        self.keep(rest);
    }

    /// Takes the next bytes of two streams; where both have whole blocks, these alternate.
    pub fn update_two(&mut self, bytes: &[u8], other: &mut Self, others: &[u8]) {
        let (blocks, rest) = self.complete(bytes).as_chunks::<64>();
        let (blocks_other, rest_other) = other.complete(others).as_chunks::<64>();
        let common = blocks.len().min(blocks_other.len());
        let (both, alone) = blocks.split_at(common);
        let (both_other, alone_other) = blocks_other.split_at(common);
        self.engine.two(&mut self.state, both, &mut other.state, both_other);
        self.engine.one(&mut self.state, alone);
        other.engine.one(&mut other.state, alone_other);
        self.keep(rest);
        other.keep(rest_other);
    }

    /// Takes the next bytes of up to sixteen streams; as many whole blocks as each of them has are taken at once.
    pub fn update_many(pieces: &mut [(&mut Self, &[u8])]) {
        let Some((first, _)) = pieces.first() else { return };
        let engine = first.engine;
        let mut rests = [[].as_slice(); WIDTH];
        let mut blocks = [[].as_slice(); WIDTH];
        let mut states = [START; WIDTH];
        let (mut common, count) = (usize::MAX, pieces.len().min(WIDTH));
        for (((lane, bytes), (blocks, rest)), state) in
            pieces.iter_mut().zip(blocks.iter_mut().zip(&mut rests)).zip(&mut states)
        {
            (*blocks, *rest) = lane.complete(bytes).as_chunks::<64>();
            *state = lane.state;
            common = common.min(blocks.len());
        }
        let mut alone = [[].as_slice(); WIDTH];
        let (there, missing) = blocks.split_at_mut(count);
        for (blocks, alone) in there.iter_mut().zip(&mut alone) {
            (*blocks, *alone) = blocks.split_at(common.min(blocks.len()));
        }
        // What takes the place of streams that are not there is not looked at.
        let stand_in = there.first().copied().unwrap_or_default();
        missing.fill(stand_in);
        engine.many_blocks(&mut states, blocks);
        for (((lane, _), state), (alone, rest)) in
            pieces.iter_mut().zip(states).zip(alone.into_iter().zip(rests))
        {
            lane.state = state;
            engine.one(&mut lane.state, alone);
            lane.keep(rest);
        }
    }

    /// The digest of all bytes.
    pub fn finish(mut self) -> Sha256 {
        let bits = self.total.wrapping_mul(8);
        let mut padding = [0_u8; 128];
        padding[0] = 0x80;
        // The length ends the block that has room for it.
        let blanks = if self.filled < 56 { 56 - self.filled } else { 120 - self.filled };
        if let Some(end) = padding.get_mut(blanks..blanks + 8) {
            end.copy_from_slice(&bits.to_be_bytes());
        }
        self.update(padding.get(..blanks + 8).unwrap_or_default());
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        Sha256::from_bytes(digest)
    }

    /// Completes the open block with the first of `bytes`; returns those behind it.
    fn complete<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        self.total = self.total.wrapping_add(bytes.len() as u64);
        if self.filled == 0 {
            return bytes;
        }
        let (into, rest) = bytes.split_at(bytes.len().min(64 - self.filled));
        self.keep(into);
        if self.filled == 64 {
            self.engine.one(&mut self.state, &[self.open]);
            self.filled = 0;
        }
        rest
    }

    /// Adds to the open block what is less than the rest of it, or just that.
    fn keep(&mut self, bytes: &[u8]) {
        if let Some(room) = self.open.get_mut(self.filled..self.filled + bytes.len()) {
            room.copy_from_slice(bytes);
            self.filled += bytes.len();
        }
    }
}
