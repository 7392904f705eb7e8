//! Exit codes, the same for every command.

use serde::Serialize;
use serde::Serializer;

/// What the process tells its caller. Findings win over incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// Looked at everything asked for, nothing at or above the threshold.
    Clean,
    /// Findings at or above the threshold.
    Findings,
    /// Usage or configuration error.
    Usage,
    /// Something asked for could not be looked at.
    Incomplete,
    /// Something was verified and does not hold: a signature, a digest, a line of `check`.
    VerificationFailed,
    /// Internal error, when no other code applies.
    Internal,
}

impl ExitCode {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::VerificationFailed => 4,
            Self::Internal => 5,
        }
    }
}

impl Serialize for ExitCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}
