//! Room `model`, pickle: how the run of a stream ends, and what ends it early.

use ringfence_artifact::ReadError;

/// How a stream ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// STOP: the value on top is returned.
    Stop,
    /// The source ended before STOP.
    Source,
    /// A byte that is no opcode, at this place.
    BadOpcode(u64),
    /// An operand that runs past the end; the opcode stands at this place.
    Truncated(u64),
    /// A limit was reached or the source could not be read: nothing behind it was looked at.
    GivenUp,
}

/// Ends a stream early.
#[derive(Debug)]
pub(super) enum Halt {
    Truncated,
    BadOpcode,
    Stop,
    Budget(&'static str),
    Read(ReadError),
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

pub(super) type Step<T = ()> = Result<T, Halt>;
