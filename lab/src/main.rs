//! The lab's own program, behind `cargo xtask lab`; also the supervisor of every lab.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ringfence_lab::command::run(&arguments)
}
