//! Room `secret`: bytes -> key hits. Pure, linear in the input, shared between threads.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use aho_corasick::MatchKind;
use regex::bytes::Regex;

use crate::allow;
use crate::detector::DETECTORS;
use crate::detector::Detector;
use crate::hit::FIXED_SALT;
use crate::hit::KeyHit;
use crate::hit::Redacted;
use crate::hit::Tagger;
use crate::marker;

/// Finds keys by the shape of their value.
///
/// ```
/// let engine = ringfence_secret::Engine::shared();
/// let key = ringfence_secret::synthetic::key("huggingface", 1).unwrap();
/// let hits = engine.scan(format!("HF_TOKEN={key}").as_bytes());
/// assert_eq!(hits[0].detector, "huggingface");
/// assert_eq!(hits[0].range, 9..9 + key.len());
/// ```
#[derive(Debug)]
pub struct Engine {
    /// Built, as each of the shapes, where it is first needed: most texts show at a glance that they hold no key, and building
    /// all of it takes longer than judging a small file.
    literals: OnceLock<Literals>,
    shapes: [OnceLock<Regex>; DETECTORS.len()],
    tagger: Tagger,
}

/// The literals of all shapes.
#[derive(Debug)]
struct Literals {
    automaton: AhoCorasick,
    /// For each literal, the rows of the table that it triggers.
    rows: Vec<Vec<usize>>,
}

impl Literals {
    fn new() -> Self {
        let mut literals: Vec<&str> = DETECTORS.iter().map(|row| row.literal).collect();
        // The mark of a key in a saved text triggers too; no row has it as literal.
        literals.push(marker::START);
        literals.sort_unstable();
        literals.dedup();
        let rows = literals
            .iter()
            .map(|literal| {
                let triggered = DETECTORS.iter().enumerate().filter(|(_, row)| row.literal == *literal);
                triggered.map(|(at, _)| at).collect()
            })
            .collect();
        Self { automaton: automaton(&literals), rows }
    }
}

impl Engine {
    /// An engine whose tags are comparable between all runs everywhere.
    pub fn new() -> Self {
        Self::with_salt(FIXED_SALT)
    }

    /// An engine whose tags tell nothing to those who lack `salt`.
    pub fn with_salt(salt: &[u8]) -> Self {
        let shapes = [const { OnceLock::new() }; DETECTORS.len()];
        Self { literals: OnceLock::new(), shapes, tagger: Tagger::new(salt) }
    }

    fn literals(&self) -> &Literals {
        self.literals.get_or_init(Literals::new)
    }

    /// The engine of [`Engine::new`], built at its first use.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Engine> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// False when `text` cannot hold a key: it lacks every literal.
    pub fn may_match(&self, text: &[u8]) -> bool {
        may_hold_literal(text) && self.literals().automaton.is_match(text)
    }

    /// All keys in `text`, in order and without overlap; also those of which a saved text has the mark only.
    pub fn scan(&self, text: &[u8]) -> Vec<KeyHit> {
        let mut hits: Vec<KeyHit> = Vec::new();
        if !may_hold_literal(text) {
            return hits;
        }
        let (literals, mut end_of_last) = (self.literals(), 0);
        for found in literals.automaton.find_iter(text) {
            let rows = literals.rows.get(found.pattern().as_usize()).map_or(&[][..], Vec::as_slice);
            let hit = match rows {
                [] => marker::read(text, found.start()),
                rows => rows.iter().find_map(|&row| self.try_row(row, text, found.start())),
            };
            // A literal can stand twice in one key.
            if let Some(hit) = hit.filter(|hit| hit.range.start >= end_of_last) {
                end_of_last = hit.range.end;
                hits.push(hit);
            }
        }
        hits
    }

    fn try_row(&self, at: usize, text: &[u8], literal: usize) -> Option<KeyHit> {
        let row = DETECTORS.get(at)?;
        let start = literal - lead(text.get(..literal)?, row.lead)?;
        // One byte more than the longest value, to see what follows it.
        let window = text.get(start..)?;
        let window = window.get(..=row.max_len).unwrap_or(window);
        let captures = self.shapes.get(at)?.get_or_init(|| shape(row)).captures(window)?;
        let value = captures.get(0)?.as_bytes();
        if window.get(value.len()).is_some_and(|&next| is_word(next)) {
            return None;
        }
        let variable = captures.get(1)?.as_bytes();
        if entropy(variable) < row.min_entropy || allow::is_placeholder(value) {
            return None;
        }
        Some(self.hit(row, start, value))
    }

    fn hit(&self, row: &Detector, start: usize, value: &[u8]) -> KeyHit {
        KeyHit {
            detector: row.id,
            provider: row.provider,
            kind: row.kind,
            confidence: row.confidence,
            admin: row.admin,
            range: start..start + value.len(),
            shown: Redacted::of(value),
            tag: self.tagger.tag(value),
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::expect_used, reason = "the table is a constant, and every test compiles all of it")]
fn shape(row: &Detector) -> Regex {
    // Without `-u` the classes `\w` and `\d` would be Unicode.
    Regex::new(&format!("^(?-u:{})", row.pattern)).expect("a pattern of the table compiles")
}

#[expect(clippy::expect_used, reason = "fails only on more states than fit 31 bits")]
fn automaton(literals: &[&str]) -> AhoCorasick {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(literals)
        .expect("a handful of literals fits the automaton")
}

/// Two bytes of each literal, and of each remnant, that seldom stand side by side elsewhere.
const PAIRS: [[u8; 2]; 5] = [*b"FJ", *b"f_", *b"g_", *b"k-", *b"\xe2\x80"];
/// Texts up to this length are glanced at first.
const GLANCE: usize = 1024;

/// False for a short text without any pair. Models hold millions of words of a few dozen bytes, none of which holds a literal:
/// to start the automaton for each costs more than this, which takes sixteen bytes at a time.
pub(crate) fn may_hold_literal(text: &[u8]) -> bool {
    if text.len() > GLANCE {
        return true;
    }
    let seconds = text.get(1..).unwrap_or_default();
    let firsts = text.get(..seconds.len()).unwrap_or_default();
    let (Some(last_firsts), Some(last_seconds)) = (firsts.last_chunk(), seconds.last_chunk()) else {
        return firsts.iter().zip(seconds).any(|(&first, &second)| PAIRS.contains(&[first, second]));
    };
    let (firsts, _) = firsts.as_chunks();
    let (seconds, _) = seconds.as_chunks();
    firsts.iter().zip(seconds).any(|(firsts, seconds)| has_pair(firsts, seconds))
        || has_pair(last_firsts, last_seconds)
}

/// Without a branch, so that it is one look for all.
#[expect(clippy::needless_bitwise_bool, reason = "a branch for each pair is what this is without")]
fn has_pair(firsts: &[u8; 16], seconds: &[u8; 16]) -> bool {
    firsts.iter().zip(seconds).fold(false, |any, (first, second)| {
        PAIRS.iter().fold(any, |any, [a, b]| any | ((first == a) & (second == b)))
    })
}

/// How many bytes before the literal the value begins: `None` when it is glued to something.
fn lead(before: &[u8], most: usize) -> Option<usize> {
    let glued = before.iter().rev().take(most + 1).take_while(|&&byte| is_word(byte)).count();
    (glued <= most).then_some(glued)
}

/// The characters that must not stand right before or after a value: what is glued to them is another word.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Shannon entropy in bits per byte.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in value {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    let share = |count: u32| f64::from(count) / length;
    counts.iter().filter(|&&count| count > 0).map(|&count| -share(count) * share(count).log2()).sum()
}

#[cfg(test)]
mod tests;
