//! Room `secret`: credentials that stand under no name of their own: URLs, `Bearer`, `curl -u`.

use super::inline::Scan;
use super::value;
use super::value::Until;
use super::value::skip_blanks;

impl Scan<'_> {
    /// `Bearer abc` outside a header line. A word of prose has no digit and is short.
    pub(super) fn bearer(&mut self, end: usize) -> usize {
        let start = skip_blanks(self.line, end);
        if start == end {
            return end;
        }
        let found = self.read(start, Until::Word(0));
        let token = self.text(found.inner.clone());
        let is_token = token.len() >= 20 || token.bytes().any(|byte| byte.is_ascii_digit());
        if is_token && self.push(found.inner) { found.end } else { end }
    }

    /// `curl -u user:password`; `docker run --user 1000:1000` is none.
    pub(super) fn user_and_password(&mut self, end: usize) -> usize {
        let start = skip_blanks(self.line, end + usize::from(self.byte(end) == b'='));
        let found = self.read(start, Until::Word(0));
        let Some((user, password)) = self.text(found.inner.clone()).split_once(':') else { return end };
        let is_id = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if is_id(user) && is_id(password) {
            return end;
        }
        let password = found.inner.start + user.len() + 1..found.inner.end;
        if self.push(password) { found.end } else { end }
    }

    /// The password of `scheme://user:password@host`, from behind the slashes.
    pub(super) fn url(&mut self, start: usize) -> usize {
        if start < self.no_at_before {
            return start;
        }
        let text = self.line.as_bytes();
        let is_end = |at: usize| {
            self.byte(at).is_ascii_whitespace()
                || matches!(self.byte(at), b'<' | b'>' | b'`')
                || value::closes_quote(self.line, at)
        };
        let longest = text.len().min(start + LONGEST_USER_INFO);
        // Up to where the last search came there is no end: of many URLs without a blank each would search the same.
        let from = start.max(self.no_end_before).min(longest);
        let end = (from..longest).find(|&at| is_end(at)).unwrap_or(longest);
        self.no_end_before = end;
        // The last `@`: people do not escape the one in their password.
        let Some((info, _)) = self.text(start..end).rsplit_once('@') else {
            self.no_at_before = end;
            return start;
        };
        let info_end = start + info.len();
        match info.split_once(':') {
            Some((user, password)) if !user.contains('/') && !is_port(password) => {
                let password = start + user.len() + 1..info_end;
                if self.push(password) { info_end } else { start }
            }
            // `https://TOKEN@host`
            None if info.len() >= 16 && !info.contains('/') => {
                if self.push(start..info_end) {
                    info_end
                } else {
                    start
                }
            }
            _ => start,
        }
    }
}

const LONGEST_USER_INFO: usize = 4096;

/// `80/path@x` and `80`: no password, but a port and more.
fn is_port(text: &str) -> bool {
    let rest = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    rest.len() < text.len() && rest.starts_with(['/', '?', '#'])
}
