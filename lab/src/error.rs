//! Why a lab could not do what it was asked: one error for the whole room, naming cause and cure.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::component::Component;
use crate::tier::Missing;

/// What went wrong in the lab. Every message is meant for the terminal of a developer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A component ended, or never became ready; `tail` holds the last lines of its log.
    #[error("{component} {what}; the end of its log:\n{tail}")]
    Component {
        /// The guilty one.
        component: Component,
        /// What it did instead of its work.
        what: String,
        /// Last lines of its log, at most 40.
        tail: String,
    },
    /// Something was awaited in vain.
    #[error("{what}: not within {} s", .after.as_secs())]
    Deadline {
        /// What was awaited.
        what: String,
        /// How long.
        after: Duration,
    },
    /// A call of the operating system failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// This machine lacks something: a skip in a test, an error at the command line.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Anything else, in one sentence.
    #[error("{0}")]
    Other(String),
}

/// What the lab's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// One sentence.
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other(message.into())
    }

    /// Turns an error of the system into one that says what was being done.
    pub fn io(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing: doing.to_string(), source }
    }

    /// The same for a file.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(path.display())
    }

    /// Turns any error into one sentence that starts with what was being done.
    pub fn while_<E: fmt::Display>(doing: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self::Other(format!("{doing}: {error}"))
    }
}
