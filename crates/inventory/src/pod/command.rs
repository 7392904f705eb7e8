//! `command` and `args` of a container -> words, shell strings taken apart by the shell's quoting rules.

use crate::yaml::Value;

/// One word a process gets.
#[derive(Clone, Debug)]
pub struct Word<'i> {
    /// Its text.
    pub text: String,
    /// The list item (or the string) it stands in.
    pub at: Value<'i>,
    /// It stands inside one shell string (`sh -c "..."`): evidence is medium.
    pub in_shell: bool,
}

/// Words of `command`, then of `args` (and `extraArgs` of container-like kinds).
pub(super) fn words(container: Value<'_>) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for key in ["command", "args", "extraArgs"] {
        let Some(list) = container.get(key) else { continue };
        let items: Vec<Value<'_>> = if list.is_sequence() { list.items().collect() } else { vec![list] };
        for item in items {
            let Some(text) = item.text() else { continue };
            let after_c = words.last().is_some_and(|word: &Word<'_>| is_shell_switch(&word.text));
            let is_script = after_c || list.is_scalar() || (text.contains(' ') && text.contains('\n'));
            if is_script {
                let parts = tokenize(text);
                words.extend(parts.into_iter().map(|text| Word { text, at: item, in_shell: true }));
            } else {
                words.push(Word { text: text.to_owned(), at: item, in_shell: false });
            }
        }
    }
    words
}

fn is_shell_switch(word: &str) -> bool {
    matches!(word, "-c" | "-lc" | "-ec" | "-xc" | "-exc" | "-euc" | "-cx" | "-ce" | "-l -c")
}

/// Splits a shell string into words: quotes and backslashes as POSIX has them (2.2 Quoting), `;`, `&`, `|` and line
/// ends separate, comments go. Variables stay as written.
fn tokenize(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut started = false;
    let mut chars = text.chars().peekable();
    let mut quote = None;
    while let Some(next) = chars.next() {
        match (quote, next) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('"') | None, '\\') => match chars.next() {
                Some('\n') | None => {}
                Some(escaped) => {
                    word.push(escaped);
                    started = true;
                }
            },
            (Some(_), other) => word.push(other),
            (None, '\'' | '"') => {
                quote = Some(next);
                started = true;
            }
            (None, '#') if !started => {
                while chars.peek().is_some_and(|comment| *comment != '\n') {
                    chars.next();
                }
            }
            (None, ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')') => {
                if started {
                    words.push(std::mem::take(&mut word));
                    started = false;
                }
            }
            (None, other) => {
                word.push(other);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_yaml;

    #[test]
    fn shell_strings_come_apart_as_the_shell_would() {
        for (text, expected) in [
            ("vllm serve 'a b' --x=\"y z\"", vec!["vllm", "serve", "a b", "--x=y z"]),
            ("a && b; c | d # e\nf", vec!["a", "b", "c", "d", "f"]),
            ("a \\\n  b\\ c", vec!["a", "b c"]),
            ("''", vec![""]),
            ("$(HOME)/x ${Y}", vec!["$", "HOME", "/x", "${Y}"]),
        ] {
            assert_eq!(tokenize(text), expected, "{text}");
        }
    }

    #[test]
    fn words_come_from_command_and_args() {
        let tree = read_yaml("command: [sh, -c, 'vllm serve m']\nargs: [--port, 8000]").unwrap().unwrap();
        let words: Vec<_> = words(tree.root()).into_iter().map(|word| (word.text, word.in_shell)).collect();
        let expected = [("sh", false), ("-c", false), ("vllm", true), ("serve", true), ("m", true)];
        assert_eq!(&words[..5], expected.map(|(text, shell)| (text.to_owned(), shell)));
        assert_eq!(words[6].0, "8000");
    }
}
