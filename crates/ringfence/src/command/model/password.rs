//! Passwords of key files: from a file, a variable or the terminal, never from an argument.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use ringfence_attest::Password;
use ringfence_inventory::read_named;
use rustix::termios;
use rustix::termios::OptionalActions;
use rustix::termios::Termios;
use tokio::runtime::Builder;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use zeroize::Zeroizing;

use crate::exit;
use crate::exit::Wrong;

/// Variable that cosign reads as well.
const VARIABLE: &str = "COSIGN_PASSWORD";

/// Bytes of a file with a password.
const MAX_BYTES: u64 = 1 << 20;
/// Bytes of a line of a terminal; Linux takes no more of one at a time (termios(3)).
const MAX_LINE: usize = 4096;

/// The password for `what`: first from `file`, then from the variable, then from the terminal.
pub(super) fn ask(file: Option<&Path>, what: &str) -> Result<Password, Wrong> {
    given(file)?.map_or_else(|| prompt(what, &[&format!("Password for {what}: ")]), Ok)
}

/// A new one for `what`. The terminal asks twice: nobody sees what he types, and a key whose password is not known is lost.
pub(super) fn ask_new(file: Option<&Path>, what: &str) -> Result<Password, Wrong> {
    let questions = [&*format!("Password for {what}: "), &*format!("Once more, for {what}: ")];
    given(file)?.map_or_else(|| prompt(what, &questions), Ok)
}

fn given(file: Option<&Path>) -> Result<Option<Password>, Wrong> {
    if let Some(file) = file {
        let bytes = read_named(file, MAX_BYTES)
            .map_err(|error| Wrong::new(format!("--password-file {}", file.display()), error))?;
        return Ok(Some(without_end(Zeroizing::new(bytes))));
    }
    Ok(std::env::var_os(VARIABLE).map(|password| Zeroizing::new(password.into_encoded_bytes())))
}

/// The same answer to each question.
fn prompt(what: &str, questions: &[&str]) -> Result<Password, Wrong> {
    let answers = answers(questions).map_err(|error| {
        let why = format!("needs a password, and no terminal gave one ({error})");
        Wrong::new(what, format!("{why}: set {VARIABLE} or pass --password-file"))
    })?;
    let mut answers = answers.into_iter();
    let first = answers.next().unwrap_or_default();
    if answers.any(|other| other != first) {
        return Err(Wrong::new(what, "the two passwords are not the same, and nothing was written"));
    }
    Ok(first)
}

fn answers(questions: &[&str]) -> io::Result<Vec<Password>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let _silent = Silent::new(&terminal)?;
    let mut answers = Vec::new();
    for question in questions {
        write!(terminal, "{question}")?;
        let line = line(&mut terminal);
        writeln!(terminal)?;
        answers.push(without_end(line?));
    }
    Ok(answers)
}

/// A line, byte by byte: no buffer keeps it, and what is typed for the next question stays where it is. One that does not end
/// is nobody's answer, and of one that is as long as a terminal takes nobody knows how it went on.
fn line(terminal: &mut File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    let mut byte = Zeroizing::new([0]);
    while line.last() != Some(&b'\n') {
        if terminal.read(&mut *byte)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before the line did"));
        }
        if line.len() + 1 >= MAX_LINE {
            let words = format!("{} bytes or more, which a terminal cuts", MAX_LINE - 1);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
        line.extend_from_slice(&*byte);
    }
    Ok(line)
}

/// A terminal that shows nothing of what is typed. It is as before when this ends, also where a signal ends the process: it
/// would stay silent for everything that is typed afterwards.
struct Silent(Kept);

/// The terminal and how it was, until somebody brings that back.
type Kept = Arc<Mutex<Option<(File, Termios)>>>;

impl Silent {
    fn new(terminal: &File) -> io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(termios::LocalModes::ECHO);
        let kept = Arc::new(Mutex::new(Some((terminal.try_clone()?, before))));
        watch(Arc::clone(&kept))?;
        let is_kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if is_kept.is_some() {
            termios::tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        }
        drop(is_kept);
        Ok(Self(kept))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        restore(&self.0);
    }
}

fn restore(kept: &Kept) {
    let taken = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((terminal, before)) = taken {
        // A terminal that is gone needs nothing.
        let _ = termios::tcsetattr(&terminal, OptionalActions::Flush, &before);
    }
}

/// Brings the terminal back when a signal comes that ends the process, and ends it. That stays so after the prompt: what has
/// caught a signal once never leaves it to the system again (tokio).
fn watch(kept: Kept) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    drop(inside);
    let wait = move || {
        let kind = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt(),
                _ = terminate.recv() => SignalKind::terminate(),
                _ = hangup.recv() => SignalKind::hangup(),
                _ = quit.recv() => SignalKind::quit(),
            }
        });
        restore(&kept);
        exit::by_signal(kind.as_raw_value())
    };
    thread::Builder::new().name("terminal".to_owned()).spawn(wait)?;
    Ok(())
}

/// One line end is the editor's, not the password's.
fn without_end(mut password: Password) -> Password {
    if password.last() == Some(&b'\n') {
        password.pop();
        if password.last() == Some(&b'\r') {
            password.pop();
        }
    }
    password
}
