//! Room `secret`: places to mask -> edited text, and where a range has moved to.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;

/// One replacement. A list of them is in order and without overlap.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) with: Cow<'static, str>,
}

/// Masks for places in any order; those that touch one another become one.
pub(super) fn masks(mut places: Vec<Range<usize>>) -> Vec<Edit> {
    places.sort_by_key(|place| place.start);
    let mut edits: Vec<Edit> = Vec::new();
    for place in places.into_iter().filter(|place| !place.is_empty()) {
        match edits.last_mut() {
            Some(last) if place.start <= last.range.end => last.range.end = last.range.end.max(place.end),
            _ => edits.push(Edit { range: place, with: MASK.into() }),
        }
    }
    edits
}

pub(super) fn apply(text: &str, edits: &[Edit]) -> String {
    let mut edited = String::with_capacity(text.len());
    let mut done = 0;
    for edit in edits {
        let range = snap(text, edit.range.clone());
        edited.push_str(text.get(done..range.start).unwrap_or_default());
        edited.push_str(&edit.with);
        done = range.end;
    }
    edited.push_str(text.get(done..).unwrap_or_default());
    edited
}

/// Where `range` lies after `edits`.
pub(super) fn moved(edits: &[Edit], range: Range<usize>) -> Range<usize> {
    let start = position(edits, range.start, |edit| edit.range.start <= range.start, Side::Before);
    let end = position(edits, range.end, |edit| edit.range.start < range.end, Side::After);
    // An empty range inside a mask covers the mask; one that touches it stays empty.
    start.min(end)..end.max(start)
}

#[derive(Clone, Copy)]
enum Side {
    After,
    Before,
}

fn position(edits: &[Edit], at: usize, is_before: impl Fn(&Edit) -> bool, side: Side) -> usize {
    let mut removed = 0;
    let mut added = 0;
    for edit in edits.iter().take_while(|edit| is_before(edit)) {
        if edit.range.end > at || (edit.range.end == at && matches!(side, Side::After)) {
            let start = edit.range.start - removed + added;
            return match side {
                Side::After => start + edit.with.len(),
                Side::Before => start,
            };
        }
        removed += edit.range.len();
        added += edit.with.len();
    }
    at - removed + added
}

/// `range` cut to the text, and widened to whole characters.
pub(super) fn snap(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(range.start.min(text.len()));
    let end = text.ceil_char_boundary(range.end.min(text.len()));
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved_text(range: Range<usize>) -> String {
        // 0123456789
        let text = "a: secret!";
        let edits = masks(vec![3..6, 5..9]);
        let edited = apply(text, &edits);
        assert_eq!(edited, "a: ‹masked›!");
        edited[moved(&edits, range)].to_owned()
    }

    #[test]
    fn a_range_follows_its_text() {
        assert_eq!(moved_text(0..2), "a:");
        assert_eq!(moved_text(9..10), "!");
        assert_eq!(moved_text(3..9), MASK);
        assert_eq!(moved_text(4..6), MASK);
        assert_eq!(moved_text(5..5), MASK);
        assert_eq!(moved_text(0..5), "a: ‹masked›");
        assert_eq!(moved_text(8..10), "‹masked›!");
        assert_eq!(moved_text(1..1), "");
    }

    #[test]
    fn a_range_is_cut_to_whole_characters_of_the_text() {
        assert_eq!(snap("é", 1..1), 0..2);
        assert_eq!(snap("ab", 5..9), 2..2);
        #[expect(clippy::reversed_empty_ranges, reason = "what a broken caller may send")]
        let reversed = snap("ab", 2..1);
        assert_eq!(reversed, 2..2);
    }
}
