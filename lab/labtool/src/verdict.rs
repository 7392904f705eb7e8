//! What an attempt came to: one line and one exit code, the contract between the pods and the lab's crate.

use std::fmt::Display;
use std::io;
use std::io::Write;
use std::process::ExitCode;

/// The end of the program. Line and exit code are read by `reach` of the lab's crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody answered within the deadline: dropped on the way, or a server that does not speak.
    Blocked,
    /// A mode that is no attempt ended well; prints nothing.
    Done,
    /// The attempt could not be made (no route, no such address): says nothing about the way.
    Fail(String),
    /// The connection stood; what the other side said.
    Open(String),
    /// Someone answered no: a firewall that rejects, or a host without such a port.
    Refused(String),
    /// The arguments make no sense.
    Usage(String),
}

impl Verdict {
    pub(crate) fn failed(error: &impl Display) -> Self {
        Self::Fail(error.to_string())
    }

    pub(crate) fn usage(text: &str) -> Self {
        Self::Usage(text.to_owned())
    }

    /// What an error of a connect or a read says about the way.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Blocked,
            // EACCES and EPERM are what ICMP "administratively prohibited" turns into.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::PermissionDenied => {
                Self::Refused(error.to_string())
            }
            _ => Self::Fail(error.to_string()),
        }
    }

    /// Prints the line and gives the exit code. A closed stdout changes nothing: the code still speaks.
    pub(crate) fn print(&self) -> ExitCode {
        let (line, code) = match self {
            Self::Blocked => ("BLOCKED (timeout)".to_owned(), 1),
            Self::Done => return ExitCode::SUCCESS,
            Self::Fail(error) => (format!("FAIL {error}"), 2),
            Self::Open(text) => (format!("OPEN {}", one_line(text)), 0),
            Self::Refused(error) => (format!("REFUSED {error}"), 3),
            Self::Usage(text) => (text.clone(), 64),
        };
        let _ = writeln!(io::stdout(), "{line}");
        ExitCode::from(code)
    }
}

/// Prints a line of a server to its log. A reader that went away is no reason to stop serving.
pub(crate) fn say(line: &impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banner_with_line_breaks_stays_one_line() {
        assert_eq!(one_line("a\r\nREFUSED b\n"), "a  REFUSED b");
    }

    #[test]
    fn an_error_that_is_no_answer_is_no_refusal() {
        let unreachable = io::Error::from(io::ErrorKind::NetworkUnreachable);
        assert!(matches!(Verdict::of(&unreachable), Verdict::Fail(_)));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(matches!(Verdict::of(&refused), Verdict::Refused(_)));
        assert_eq!(Verdict::of(&io::Error::from(io::ErrorKind::TimedOut)), Verdict::Blocked);
    }
}
