//! Passwords of key files: from a file, a variable or the terminal, never from an argument.

use std::fs::OpenOptions;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::path::Path;

use ringfence_attest::Password;
use ringfence_inventory::read_named;
use rustix::termios;
use zeroize::Zeroizing;

use crate::exit::Wrong;

/// Variable that cosign reads as well.
const VARIABLE: &str = "COSIGN_PASSWORD";

/// Bytes of a file with a password.
const MAX_BYTES: u64 = 1 << 20;

/// The password for `what`: first from `file`, then from the variable, then from the terminal.
pub(super) fn ask(file: Option<&Path>, what: &str) -> Result<Password, Wrong> {
    if let Some(file) = file {
        let bytes = read_named(file, MAX_BYTES)
            .map_err(|error| Wrong::new(format!("--password-file {}", file.display()), error))?;
        return Ok(without_end(Zeroizing::new(bytes)));
    }
    if let Some(password) = std::env::var_os(VARIABLE) {
        return Ok(Zeroizing::new(password.into_encoded_bytes()));
    }
    prompt(what).map_err(|error| {
        let why = format!("needs a password and there is no terminal ({error})");
        Wrong::new(what, format!("{why}: set {VARIABLE} or pass --password-file"))
    })
}

fn prompt(what: &str) -> std::io::Result<Password> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let before = termios::tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(termios::LocalModes::ECHO);
    termios::tcsetattr(&terminal, termios::OptionalActions::Flush, &silent)?;
    let mut line = Zeroizing::new(Vec::with_capacity(256));
    let read = write!(terminal, "Password for {what}: ")
        .and_then(|()| BufReader::new(&terminal).read_until(b'\n', &mut line));
    termios::tcsetattr(&terminal, termios::OptionalActions::Flush, &before)?;
    writeln!(terminal)?;
    read?;
    Ok(without_end(line))
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
