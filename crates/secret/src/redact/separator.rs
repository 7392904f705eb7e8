//! Room `secret`: the end of a name in a line -> what stands between it and its value.

use super::inline::Scan;
use super::value::Quote;
use super::value::skip_blanks;

/// What stands between a name and its value.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Separator {
    /// `=`, `:=`, `=>`
    Assign,
    /// Only blanks.
    Blank,
    /// `:`
    Colon,
    /// `", "`: the next of a list of strings.
    Comma,
}

impl Scan<'_> {
    /// The separator behind a name that ends at `end`, and where the value begins.
    pub(super) fn separator(&self, end: usize, name: &str) -> Option<(Separator, usize)> {
        let quote = Quote::open(self.line, end).map_or(0, Quote::len);
        let mut at = end + quote;
        // `os.environ["HF_TOKEN"] = "abc"`
        at += usize::from(self.byte(at) == b']');
        let blanks = skip_blanks(self.line, at);
        let is_flag = name.starts_with('-');
        let next = |at| skip_blanks(self.line, at);
        match (self.byte(blanks), self.byte(blanks + 1)) {
            (b':', b'=') | (b'=', b'=' | b'>') => Some((Separator::Assign, next(blanks + 2))),
            (b':', b':') => None,
            (b':', b'/') if self.byte(blanks + 2) == b'/' => None,
            (b':', _) => Some((Separator::Colon, next(blanks + 1))),
            (b'=', _) => Some((Separator::Assign, next(blanks + 1))),
            (b',', _) if is_flag || (quote > 0 && is_variable(name)) => {
                let start = next(blanks + 1);
                let is_quoted = quote > 0 && Quote::open(self.line, start).is_some();
                (is_quoted || (is_flag && self.is_in_flow())).then_some((Separator::Comma, start))
            }
            // `requirepass abc` of redis.conf, `ENV HF_TOKEN abc` of a Dockerfile.
            _ if blanks > at && quote == 0 && (is_flag || self.takes_blank(name, end)) => {
                Some((Separator::Blank, blanks))
            }
            _ => None,
        }
    }

    fn takes_blank(&self, name: &str, end: usize) -> bool {
        let start = end - name.len();
        // What stands before is looked at for few words of a line, or near the word: for all of them it would be quadratic.
        let is_docker = || ["ENV", "ARG"].contains(&self.text(0..start).trim());
        let near = self.line.ceil_char_boundary(start.saturating_sub(NEAR));
        let is_netrc = name == "password" && self.text(near..start).contains("login ");
        is_netrc || start == self.head && (matches!(name, "requirepass" | "masterauth") || is_docker())
    }
}

/// How far before a password the login of the same entry stands.
const NEAR: usize = 512;

fn is_variable(name: &str) -> bool {
    name.contains('_') && !name.bytes().any(|byte| byte.is_ascii_lowercase())
}
