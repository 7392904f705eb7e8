//! Room `report`: how the text format may look on the reader's terminal. Colour repeats what words already say.

use std::borrow::Cow;

use ringfence_finding::Door;
use ringfence_finding::Severity;

/// What the reader's terminal can show and how much the reader wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each its own flag of the command line"
)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Characters beyond ASCII in frames and marks.
    pub unicode: bool,
    /// Columns; fewer than [`Style::MIN_WIDTH`] counts as that many.
    pub width: usize,
    /// Every finding with its code frame, full coverage.
    pub verbose: bool,
    /// One line. Wins over `verbose`.
    pub quiet: bool,
    /// What the reader types to run this program: `ringfence`, or `kubectl ringfence` as a plugin.
    pub program: &'static str,
}

impl Style {
    /// Narrowest screen the layout is made for.
    pub const MIN_WIDTH: usize = 60;

    /// Columns to lay out for.
    pub(crate) fn columns(&self) -> usize {
        self.width.max(Self::MIN_WIDTH)
    }

    /// Stands for the words that were cut off.
    pub(crate) fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// `text` in the colour of `tone`, unchanged without colour.
    pub(crate) fn paint<'t>(&self, tone: Tone, text: &'t str) -> Cow<'t, str> {
        match tone.code() {
            Some(code) if self.color && !text.is_empty() => Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m")),
            _ => Cow::Borrowed(text),
        }
    }
}

impl Default for Style {
    /// A file or pipe: no colour, no assumption about the terminal.
    fn default() -> Self {
        Self { color: false, unicode: false, width: 100, verbose: false, quiet: false, program: "ringfence" }
    }
}

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Bad,
    Dim,
    Good,
    Plain,
    Strong,
    Warn,
    Worst,
}

impl Tone {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Bad => Some("31"),
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Warn => Some("33"),
            Self::Worst => Some("1;31"),
        }
    }
}

impl From<Severity> for Tone {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Worst,
            Severity::High => Self::Bad,
            Severity::Medium => Self::Warn,
            Severity::Low | Severity::Info => Self::Plain,
        }
    }
}

impl From<Door> for Tone {
    fn from(door: Door) -> Self {
        match door {
            Door::Open => Self::Worst,
            Door::Closed => Self::Good,
            Door::NotProvenClosed => Self::Warn,
        }
    }
}
