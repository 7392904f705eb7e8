//! Room `secret`: text -> the same text for a file that is searched and masked again: keys as marks, other secrets gone.
//!
//! What to mask is decided on the very text that the redactor would show; the keys are followed through its edits and
//! put back as marks at the end. So a marked text, masked, says what its original says.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;
use super::ROUNDS;
use super::Redactor;
use super::block;
use super::edit;
use super::edit::Edit;
use super::remnants;

/// A key that was found, and where it is by now: its shown form, or the mask that has swallowed it.
struct Kept {
    range: Range<usize>,
    mark: String,
    /// The mask has swallowed more than keys.
    has_more: bool,
}

pub(super) fn mark<'t>(redactor: Redactor<'_>, text: &'t str) -> Cow<'t, str> {
    let mut shown = Cow::Borrowed(text);
    let mut kept: Vec<Kept> = Vec::new();
    for _ in 0..ROUNDS {
        let hits = redactor.engine.scan(shown.as_bytes());
        let found: Vec<String> = hits.iter().map(crate::KeyHit::mark).collect();
        let mut edits: Vec<Edit> = hits
            .into_iter()
            .map(|hit| Edit { with: hit.shown.to_string().into(), range: hit.range })
            .collect();
        if edits.is_empty() {
            edits = remnants(&shown);
        }
        if edits.is_empty() {
            edits = edit::masks(block::spans(&shown));
        }
        if edits.is_empty() {
            break;
        }
        if found.is_empty() {
            swallow(&shown, &edits, &mut kept);
        }
        for one in &mut kept {
            one.range = edit::moved(&edits, one.range.clone());
        }
        let mut grown = 0_isize;
        for (edit, mark) in edits.iter().zip(found) {
            let start = edit.range.start.saturating_add_signed(grown);
            kept.push(Kept { range: start..start.saturating_add(edit.with.len()), mark, has_more: false });
            grown = grown.saturating_add_unsigned(edit.with.len()).saturating_sub_unsigned(edit.range.len());
        }
        shown = Cow::Owned(edit::apply(&shown, &edits));
    }
    if kept.is_empty() {
        return shown;
    }
    Cow::Owned(edit::apply(&shown, &back(kept)))
}

/// Notes for each key that a mask is about to swallow whether there is anything else below that mask.
fn swallow(text: &str, masks: &[Edit], kept: &mut [Kept]) {
    for mask in masks {
        let touches = |one: &Kept| one.range.start < mask.range.end && mask.range.start < one.range.end;
        let mut rest = String::new();
        let mut done = mask.range.start;
        let mut had_more = false;
        let mut inside: Vec<(Range<usize>, bool)> =
            kept.iter().filter(|one| touches(one)).map(|one| (one.range.clone(), one.has_more)).collect();
        if inside.is_empty() {
            continue;
        }
        inside.sort_by_key(|(range, _)| range.start);
        for (range, more) in inside {
            rest.push_str(text.get(done..range.start.max(done)).unwrap_or_default());
            done = done.max(range.end);
            had_more |= more;
        }
        rest.push_str(text.get(done..mask.range.end.max(done)).unwrap_or_default());
        let has_more = had_more || !rest.trim().is_empty();
        kept.iter_mut().filter(|one| touches(one)).for_each(|one| one.has_more = has_more);
    }
}

/// Marks in the places of shown forms and of masks; keys below one mask stand side by side.
fn back(mut kept: Vec<Kept>) -> Vec<Edit> {
    kept.sort_by_key(|one| (one.range.start, one.range.end));
    let mut edits: Vec<(Edit, bool)> = Vec::new();
    for one in kept {
        match edits.last_mut() {
            Some((last, has_more)) if one.range.start < last.range.end => {
                last.range.end = last.range.end.max(one.range.end);
                last.with = format!("{} {}", last.with, one.mark).into();
                *has_more |= one.has_more;
            }
            _ => edits.push((Edit { range: one.range, with: one.mark.into() }, one.has_more)),
        }
    }
    let with_rest = |(mut edit, has_more): (Edit, bool)| {
        if has_more {
            edit.with = format!("{}{MASK}", edit.with).into();
        }
        edit
    };
    edits.into_iter().map(with_rest).collect()
}
