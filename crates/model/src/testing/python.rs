//! Room `model`, tests: a guarded python3. `-I` keeps the environment out; limits keep it small.

use std::io::Write as _;
use std::process::Command;
use std::process::Stdio;

/// Runs a script with bytes on standard input and gives what it prints.
pub(crate) fn run(script: &str, input: &[u8]) -> String {
    run_with("python3", script, input)
}

/// The same, by a python3 that has the formats' own libraries: `cargo xtask test` installs it and names it.
pub(crate) fn peers(script: &str, input: &[u8]) -> String {
    run_with(&std::env::var("RINGFENCE_MODEL_PEERS").unwrap(), script, input)
}

fn run_with(program: &str, script: &str, input: &[u8]) -> String {
    let mut child = Command::new(program)
        .args(["-I", "-W", "ignore", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "python3 ended with {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Each text with its length before it, as the scripts read them.
pub(crate) fn frames<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend(u32::try_from(piece.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(piece);
    }
    bytes
}

/// A line of hex digits.
pub(crate) fn bytes(line: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
    (0..line.len()).step_by(2).map(digit).collect()
}
