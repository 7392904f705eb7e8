//! Awkward YAML texts, inputs only: what they mean is asked of the real library (`scalar_judge.rs`).

mod scalars;
mod structure;

use std::sync::LazyLock;

/// The texts.
pub(crate) static TEXTS: LazyLock<Vec<&str>> = LazyLock::new(|| [scalars::TEXTS, structure::TEXTS].concat());

/// Texts that no applier gets through and a scanner may read all the same: nothing runs from them.
pub(crate) const READ_ANYWAY: &[&str] = &[
    "v: \"\\/\"",
    "v: \"\\ud83d\\ude00\"",
    "v: !!int 1.5",
    "v: !!int 1.0",
    "v: !!int x",
    "v: !!float x",
    "v: !!bool 1",
    "v: !!null x",
    "v: !!timestamp x",
    "v: !!float 'x'",
    "v: !!bool x",
    "v: !!int ''",
    "v: !!bool ''",
    "null: x",
    "~: x",
    ": x",
    "b:\n  <<: [1]",
    "%YAML 1.2\n---\na: yes",
    "%FOO x\n---\na: 1",
    "k: {a\n  : 1}",
    "k: {: 1}",
    "k: [: 1]",
    "!!null : b",
    "18446744073709551615: x",
    "? \n: x",
    "b:\n  <<: [{x: 1}, 2]\n",
    "a: |\n  \tx\n",
    "\tb: 1",
    "...\n",
    "\t",
];

/// Texts that the layer reads and ours reports as unreadable, so that the scan is incomplete: a byte order mark and
/// line breaks of YAML 1.1 inside a document, and documents whose tail the layer drops without a word.
pub(crate) const REFUSED: &[&str] = &[
    "v: \u{feff}",
    "v: \"a\u{2028}b\"",
    "  a: 1\n b: 2",
    "\"a\":1",
    "[]: x",
    "{}: x",
    " a: 1\nb: 2",
    "a: \u{2028}",
    "# c\u{2028}a: 1",
];
