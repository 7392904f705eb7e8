//! Room `inventory`, a helper: a word that is not known -> the known one that was meant.

/// The nearest of `known` by edits, when it is near enough to be a typing error.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    let near = known.into_iter().map(|candidate| (edits(&word, &candidate.to_lowercase()), candidate));
    near.filter(|(edits, _)| *edits <= (word.chars().count() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements (Levenshtein).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut before = index.saturating_add(1);
        let mut next = vec![before];
        for (above, other) in row.iter().skip(1).zip(&right) {
            let replaced = diagonal.saturating_add(usize::from(character != *other));
            before = replaced.min(above.saturating_add(1)).min(before.saturating_add(1));
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(nearest("privleged", ["privileged", "literal-key"]), Some("privileged"));
        assert_eq!(nearest("RF-GPU-006", ["RF-GPU-005", "RF-NET-001"]), Some("RF-GPU-005"));
        assert_eq!(nearest("banana", ["privileged", "literal-key"]), None);
    }
}
