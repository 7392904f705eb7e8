//! Room `finding`: which characters nobody sees, or act on who looks: what is printed and what is written escape the same.

/// Characters that act on the reader's screen, or that cannot be seen on it.
pub fn is_unprintable(char: char) -> bool {
    char.is_control() // C0, DEL, C1
        || matches!(char,
            '\u{ad}' // soft hyphen
            | '\u{34f}' | '\u{61c}' // joiner, Arabic letter mark
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' // zero width, directional marks
            | '\u{2028}'..='\u{202e}' // separators, embeddings and overrides
            | '\u{2060}'..='\u{206f}' // joiners, isolates, deprecated controls
            | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' // variation selectors
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}') // tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_told_from_what_is_not_seen() {
        assert!("plain näme 日本 \u{1f600} e\u{301}".chars().all(|char| !is_unprintable(char)));
        let unseen =
            "\0\n\u{7f}\u{85}\u{ad}\u{200b}\u{202e}\u{2066}\u{2028}\u{3164}\u{fe0f}\u{feff}\u{e0041}";
        assert!(unseen.chars().all(is_unprintable));
    }
}
