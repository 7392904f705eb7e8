//! Room `model`: how much is done for one file. Reaching a limit is `incomplete` with the place, never `clean`.

/// Budgets; the defaults are those of the documentation.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Opcodes of pickles in one file, its members included.
    pub opcodes: u64,
    /// Values on the stack, in the memo and in tuples of one pickle, 16 bytes each.
    pub values: usize,
    /// Objects that a pickle would have when everything it refers to were written out.
    pub expansion: u32,
    /// Different names that one pickle looks up.
    pub names: usize,
    /// Containers in containers.
    pub depth: usize,
    /// Members of one archive.
    pub members: usize,
    /// Bytes of one file that are decompressed.
    pub decoded: u64,
}

impl Limits {
    /// Gaps that are told for one source; more of them change nothing.
    pub(crate) const GAPS: usize = 64;
    /// Longest module or name that is taken for one, in bytes.
    pub(crate) const NAME: usize = 1024;
    /// Decoded bytes for each compressed one, beyond the first GiB.
    pub(crate) const RATIO: u64 = 100;
    /// Memory that the decoders of containers in one another may take for their windows.
    pub(crate) const WINDOWS: u64 = 48 << 20;
    /// Bytes of all names that one pickle looks up; each is kept three times.
    pub(crate) const NAMES: usize = 16 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            opcodes: 200_000_000,
            values: 16 << 20,
            expansion: 1_000_000_000,
            names: 100_000,
            depth: 8,
            members: 100_000,
            decoded: 64 << 30,
        }
    }
}
