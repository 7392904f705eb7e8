//! Passwords that are typed: `script` (util-linux) gives the process a terminal of its own.

use std::io::Read as _;
use std::io::Write as _;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::Stdio;

use crate::Folder;

/// A shell on a terminal, and all that it has shown.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: String,
}

impl Terminal {
    /// Runs `keygen`, then tells the exit code and whether the terminal shows what is typed.
    fn keygen(folder: &Folder) -> Self {
        // The shell outlives what ends the process that it waits for.
        let program = env!("CARGO_BIN_EXE_ringfence");
        let line = format!(
            "trap : INT TERM; sh -c 'echo pid=$$; exec {program} model keygen --out {}/k'; echo code=$?; stty -a",
            folder.path()
        );
        let mut script = Command::new("script");
        script
            .args(["--quiet", "--command", &line, "/dev/null"])
            .env_remove("COSIGN_PASSWORD")
            .env("SHELL", "/bin/sh");
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let keys = child.stdin.take().unwrap();
        Self { child, keys, shown: String::new() }
    }

    /// Reads until `words` are shown.
    fn until(&mut self, words: &str) {
        let mut bytes = [0; 1024];
        while !self.shown.contains(words) {
            let count = self.child.stdout.as_mut().unwrap().read(&mut bytes).unwrap();
            assert!(count > 0, "no `{words}` in {}", self.shown);
            self.shown.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// All that was shown, once the shell has ended.
    fn end(mut self) -> String {
        self.until("echoctl");
        drop(self.keys);
        self.child.wait().unwrap();
        self.shown
    }
}

/// Whether what is typed is shown again.
fn has_echo(shown: &str) -> bool {
    let (_, state) = shown.rsplit_once("code=").unwrap();
    state.split_whitespace().any(|word| word == "echo")
}

#[test]
#[ignore = "needs script: a terminal of its own"]
fn a_new_password_is_asked_for_twice_and_never_shown() {
    for (second, code) in [("huntre2", 2), ("hunter2", 0)] {
        let folder = Folder::new("terminal-twice");
        let mut terminal = Terminal::keygen(&folder);
        terminal.until("Password for");
        terminal.types("hunter2\n");
        terminal.until("Once more");
        terminal.types(&format!("{second}\n"));
        let shown = terminal.end();
        assert!(shown.contains(&format!("code={code}")) && has_echo(&shown), "{shown}");
        assert!(!shown.contains("hunt"), "{shown}");
        assert_eq!(shown.contains("passwords are not the same"), code == 2, "{shown}");
        let key = std::path::Path::new(folder.path()).join("k.key");
        assert_eq!(key.try_exists().unwrap(), code == 0);
    }
}

#[test]
#[ignore = "needs script: a terminal of its own"]
fn what_does_not_end_or_is_cut_is_no_password() {
    for (typed, words) in [
        ("\u{4}", "ended before the line did"),
        ("hunt\u{4}\u{4}", "ended before"),
        (&"x".repeat(5000), "cuts"),
    ] {
        let folder = Folder::new("terminal-cut");
        let mut terminal = Terminal::keygen(&folder);
        terminal.until("Password for");
        terminal.types(&format!("{typed}\n"));
        let shown = terminal.end();
        assert!(shown.contains("code=2") && shown.contains(words) && has_echo(&shown), "{shown}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
#[ignore = "needs script: a terminal of its own"]
fn the_terminal_shows_what_is_typed_after_a_signal() {
    let folder = Folder::new("terminal-signal");
    let mut terminal = Terminal::keygen(&folder);
    terminal.until("Password for");
    terminal.types("hunt\u{3}");
    let shown = terminal.end();
    assert!(shown.contains("code=130") && has_echo(&shown), "{shown}");
    for (signal, code) in [("TERM", 143), ("HUP", 129)] {
        let mut terminal = Terminal::keygen(&folder);
        terminal.until("Password for");
        let (_, pid) = terminal.shown.split_once("pid=").unwrap();
        let pid = pid.lines().next().unwrap().trim().to_owned();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let shown = terminal.end();
        assert!(shown.contains(&format!("code={code}")) && has_echo(&shown), "{shown}");
    }
}
