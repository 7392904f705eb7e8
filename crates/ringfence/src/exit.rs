//! Exit codes and last words: results to stdout, errors to stderr, nothing of a panic but its place.

use std::io;
use std::io::Write as _;
use std::panic;
use std::process;

use ringfence_finding::ExitCode;
#[cfg(feature = "signing")]
use rustix::process::Signal;
#[cfg(feature = "signing")]
use tokio::runtime::Builder;
#[cfg(feature = "signing")]
use tokio::signal::unix::SignalKind;
#[cfg(feature = "signing")]
use tokio::signal::unix::signal;

/// What the user must change about the call: exit 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// What is wrong with something that was named. Name and reason stay apart until they are printed: a file may be called
/// `token.pub`, and what is wrong with it is no token; and a line break in a name is none of ours.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// Option and file as they were typed.
    what: String,
    /// One line, or several.
    reason: String,
    /// Names and what is wrong with each, a line each.
    each: Vec<(String, String)>,
    code: ExitCode,
}

impl Wrong {
    /// Something that the user must change: exit 2.
    pub(crate) fn new(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self { what: what.into(), reason: reason.to_string(), each: Vec::new(), code: ExitCode::Usage }
    }

    /// As it is for each of these.
    #[cfg(feature = "signing")]
    pub(crate) fn of_each(self, each: Vec<(String, String)>) -> Self {
        Self { each, ..self }
    }

    /// Something that could not be looked at: exit 3.
    #[cfg(feature = "signing")]
    pub(crate) fn unread(self) -> Self {
        Self { code: ExitCode::Incomplete, ..self }
    }

    /// Each part for itself masked and inert; lines behind the first are indented, so that none passes for another message.
    fn told(&self) -> String {
        let clean = ringfence_report::clean_line;
        let mut told = if self.what.is_empty() { String::new() } else { format!("{}: ", clean(&self.what)) };
        told.push_str(&ringfence_report::clean_text(&self.reason).replace('\n', "\n  "));
        for (name, why) in &self.each {
            told.extend(["\n  ", &clean(name), ": ", &clean(why)]);
        }
        told
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told())
    }
}

impl std::error::Error for Wrong {}

/// What was asked for could not be looked at, nothing of it: exit 3.
#[derive(Debug)]
pub(crate) struct Unreachable(pub(crate) String);

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreachable {}

/// A contained panic may hold a value of the input in its message: only the place is printed.
pub(crate) fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        complain(&format!("internal error{place}; report it, the rest of the input is still processed"));
    }));
}

/// Makes the limit on the size of files (`ulimit -f`) an error of the write that meets it. The signal that comes with it would
/// end the process without a word, and half a file would stay. What has caught a signal once never leaves it to the system
/// again (tokio).
#[cfg(feature = "signing")]
pub(crate) fn limits_are_errors() {
    let caught = || -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let _inside = runtime.enter();
        signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
    };
    // Where it cannot be caught it does as it always did.
    let _ = caught();
}

/// What a command returns that came to `code` and wrote its result like this. That no result can be written sets 5 only if no
/// other code applies, and that its reader left sets 3, which a failed verification alone wins over: who has seen nothing of
/// a failure must not take it for less.
pub(crate) fn after(code: ExitCode, written: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let Err(error) = written else { return Ok(code) };
    let is_of_call = error.is::<Wrong>() || error.is::<Usage>();
    let has_left = reader_left(&error);
    if code == ExitCode::Clean || is_of_call || has_left && code != ExitCode::VerificationFailed {
        return Err(error);
    }
    if !has_left {
        say(&format!("error: {}", told(&error)));
    }
    Ok(code)
}

/// `ringfence scan | head`: the reader has what it wanted.
fn reader_left(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Ends the process where the reader of a result has left while others still work on it: nobody waits for what they find.
#[cfg(feature = "models")]
#[expect(clippy::exit, clippy::disallowed_methods, reason = "this is the room that ends the process")]
pub(crate) fn if_reader_left(error: &io::Error) {
    if error.kind() == io::ErrorKind::BrokenPipe {
        process::exit(ExitCode::Incomplete.code().into());
    }
}

/// Ends the process because of a signal, with the code that shells give it.
#[cfg(feature = "signing")]
#[expect(clippy::exit, clippy::disallowed_methods, reason = "this is the room that ends the process")]
pub(crate) fn by_signal(number: i32) -> ! {
    process::exit(128 + number)
}

/// Ends the process with what a command returned.
pub(crate) fn finish(result: anyhow::Result<ExitCode>) -> process::ExitCode {
    match result {
        Ok(code) => code.code().into(),
        Err(error) => {
            if reader_left(&error) {
                return ExitCode::Incomplete.code().into();
            }
            say(&format!("error: {}", told(&error)));
            let code = if let Some(wrong) = error.downcast_ref::<Wrong>() {
                wrong.code
            } else if error.is::<Usage>() {
                ExitCode::Usage
            } else if error.is::<Unreachable>() {
                ExitCode::Incomplete
            } else {
                ExitCode::Internal
            };
            code.code().into()
        }
    }
}

/// The error and its causes, masked and inert, each for itself.
fn told(error: &anyhow::Error) -> String {
    let clean = ringfence_report::clean_line;
    let words = error.chain().map(|cause| match cause.downcast_ref::<Wrong>() {
        Some(wrong) => wrong.told(),
        None => clean(&cause.to_string()),
    });
    words.collect::<Vec<_>>().join(": ")
}

/// Ends the process with clap's own words: help and version are no errors.
pub(crate) fn usage(error: &clap::Error) -> process::ExitCode {
    // Nothing is left to do when even that cannot be printed.
    let _ = error.print();
    if error.use_stderr() { ExitCode::Usage.code().into() } else { ExitCode::Clean.code().into() }
}

/// One line on stderr.
pub(crate) fn complain(line: &str) {
    say(&ringfence_report::clean_line(line));
}

fn say(line: &str) {
    // Nobody is left to be told when that fails.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_line_by_line() {
        let told = Wrong::new("a.sig", format!("{}\nand ours", "N".repeat(9_000_000))).told();
        let lines: Vec<&str> = told.lines().collect();
        assert!(matches!(lines.as_slice(), [long, "  and ours"] if long.len() < 300), "{told}");
        assert!(told.contains("characters cut]"), "{told}");
    }
}
