//! Room `attest`: bytes of one stream, or of two at once, in pieces of any length -> SHA-256.

use super::Sha256;
#[cfg(target_arch = "x86_64")]
use super::x86::Instructions;

/// Bytes that SHA-256 takes at a time.
pub(super) type Block = [u8; 64];
/// The eight words between two blocks.
pub(super) type State = [u32; 8];

/// FIPS 180-4, section 5.3.3.
const START: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// What turns blocks into states on this machine.
#[derive(Clone, Copy, Debug)]
pub enum Engine {
    /// Crate `sha2`: any machine, one stream after the other.
    Portable,
    /// The SHA instructions of x86-64, two streams at a time.
    #[cfg(target_arch = "x86_64")]
    X86(X86),
}

/// Proof that the instructions are there.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub struct X86(Instructions);

impl Engine {
    /// The fastest of this machine.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(instructions) = Instructions::detect() {
            return Self::X86(X86(instructions));
        }
        Self::Portable
    }

    fn one(self, state: &mut State, blocks: &[Block]) {
        match self {
            Self::Portable => sha2::block_api::compress256(state, blocks),
            #[cfg(target_arch = "x86_64")]
            Self::X86(X86(instructions)) => instructions.one(state, blocks),
        }
    }

    /// Both slices have the same length.
    fn two(self, a: &mut State, blocks_a: &[Block], b: &mut State, blocks_b: &[Block]) {
        debug_assert_eq!(blocks_a.len(), blocks_b.len());
        match self {
            Self::Portable => {
                sha2::block_api::compress256(a, blocks_a);
                sha2::block_api::compress256(b, blocks_b);
            }
            #[cfg(target_arch = "x86_64")]
            Self::X86(X86(instructions)) => instructions.two(a, blocks_a, b, blocks_b),
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
