//! Why a task ended early: one message for the terminal.

use std::fmt;

#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// For a task whose own last line says it: nothing may follow that line.
    pub(crate) fn already_said() -> Self {
        Self(String::new())
    }

    pub(crate) fn is_said(&self) -> bool {
        self.0.is_empty()
    }

    /// Turns any error into a failure that says what was being done.
    pub(crate) fn while_<E: fmt::Display>(doing: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{doing}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
