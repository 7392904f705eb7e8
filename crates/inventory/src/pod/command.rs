//! `command` and `args` of a container -> words, shell strings taken apart by the shell's quoting rules.

use std::iter::Peekable;
use std::str::Chars;

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

/// Words of a container's fields: of `command`, then of `args` (`extraArgs` of container-like kinds), then of an Argo script's `source`.
pub(super) fn words<'i>(field: impl Fn(&str) -> Option<Value<'i>>) -> Vec<Word<'i>> {
    let mut words: Vec<Word<'i>> = Vec::new();
    for key in ["command", "args", "extraArgs", "source"] {
        let Some(list) = field(key) else { continue };
        let items: Vec<Value<'_>> = if list.is_sequence() { list.items().collect() } else { vec![list] };
        for item in items {
            let Some(text) = item.text() else { continue };
            let after_c = words.last().is_some_and(|word| !word.in_shell && is_shell_switch(&word.text));
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

/// `-c`, alone or among other one-letter switches of a shell (`-lc`, `-euxc`). A `c` in a bundle of another program
/// only means that its next word is taken apart too.
fn is_shell_switch(word: &str) -> bool {
    let Some(letters) = word.strip_prefix('-') else { return false };
    letters.contains('c')
        && letters.len() <= 6
        && letters.bytes().all(|byte| b"abcefhiklmnopstuvx".contains(&byte))
}

/// Splits a shell string into words: quotes and backslashes as POSIX has them (2.2 Quoting), `;`, `&`, `|`, round
/// brackets and line ends separate, comments go. Expansions (`$X`, `${X:-a b}`, `$(..)`, backquotes) stay as written,
/// inside their word.
fn tokenize(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut started = false;
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(next) = chars.next() {
        match (quoted, next) {
            (_, '"') => {
                quoted = !quoted;
                started = true;
            }
            (false, '\'') => {
                started = true;
                word.extend(chars.by_ref().take_while(|character| *character != '\''));
            }
            (_, '\\') => match chars.next() {
                Some('\n') | None => {}
                // Inside double quotes a backslash stays, but before these.
                Some(escaped) => {
                    if quoted && !matches!(escaped, '$' | '`' | '"' | '\\') {
                        word.push('\\');
                    }
                    word.push(escaped);
                    started = true;
                }
            },
            (_, '$') => {
                started = true;
                word.push('$');
                match chars.peek() {
                    Some('(') => enclosed(&mut chars, &mut word, '(', ')'),
                    Some('{') => enclosed(&mut chars, &mut word, '{', '}'),
                    _ => {}
                }
            }
            (_, '`') => {
                started = true;
                word.push('`');
                for inner in chars.by_ref() {
                    word.push(inner);
                    if inner == '`' {
                        break;
                    }
                }
            }
            (true, other) => word.push(other),
            (false, '#') if !started => {
                while chars.peek().is_some_and(|comment| *comment != '\n') {
                    chars.next();
                }
            }
            (false, ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')') => {
                if started {
                    words.push(std::mem::take(&mut word));
                    started = false;
                }
            }
            (false, other) => {
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

/// Copies an expansion up to its closing bracket, brackets inside counted; an open one ends with the text.
fn enclosed(chars: &mut Peekable<Chars<'_>>, word: &mut String, open: char, close: char) {
    let mut depth = 0_usize;
    for next in chars.by_ref() {
        word.push(next);
        if next == open {
            depth = depth.saturating_add(1);
        } else if next == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return;
            }
        }
    }
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
            ("\"a\\nb\" \"a\\\"b\"", vec!["a\\nb", "a\"b"]),
            ("$(HOME)/x ${Y}", vec!["$(HOME)/x", "${Y}"]),
            (
                "--m $(cat /etc/m) ${M:-a b}/c `id -u` d",
                vec!["--m", "$(cat /etc/m)", "${M:-a b}/c", "`id -u`", "d"],
            ),
            ("\"$(echo \"x y\")\" z", vec!["$(echo \"x y\")", "z"]),
            ("(a; b)", vec!["a", "b"]),
            ("a#b '#c'", vec!["a#b", "#c"]),
            ("$(never closed", vec!["$(never closed"]),
            ("'never closed", vec!["never closed"]),
        ] {
            assert_eq!(tokenize(text), expected, "{text}");
        }
    }

    #[test]
    fn words_come_from_every_place_a_command_hides_in() {
        for (text, expected, in_shell) in [
            ("command: [sh, -c, 'vllm serve m']", vec!["sh", "-c", "vllm", "serve", "m"], "..sss"),
            ("{command: [sh, -c], args: ['a b']}", vec!["sh", "-c", "a", "b"], "..ss"),
            ("{command: [/bin/bash, -euxc, 'a b', c]}", vec!["/bin/bash", "-euxc", "a", "b", "c"], "..ss."),
            ("{command: [bash, -lc, 'a b']}", vec!["bash", "-lc", "a", "b"], "..ss"),
            ("{args: ['-c', 'a b'], command: [/bin/sh]}", vec!["/bin/sh", "-c", "a", "b"], "..ss"),
            ("{command: [bash], source: \"a --b\\nc 'd e'\"}", vec!["bash", "a", "--b", "c", "d e"], ".ssss"),
            ("{command: 'a b', extraArgs: [c]}", vec!["a", "b", "c"], "ss."),
            ("{args: [--port, 8000, yes]}", vec!["--port", "8000", "yes"], "..."),
            ("{args: ['--chat-template', 'a b']}", vec!["--chat-template", "a b"], ".."),
        ] {
            let tree = read_yaml(text).unwrap().unwrap();
            let words = words(|key| tree.root().get(key));
            assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), expected, "{text}");
            let shell: String = words.iter().map(|word| if word.in_shell { 's' } else { '.' }).collect();
            assert_eq!(shell, in_shell, "{text}");
        }
    }
}
