//! Room `labtool`: the program inside the lab's pods and behind its stand-ins. Arguments enter; open ports,
//! connect attempts and one line per attempt leave. Static, numeric addresses only: an image of the lab
//! holds no C library that could resolve a name.
//!
//! Words joined by ` + ` run side by side: `serve 443 registry + serve 8080 registry`.
#![forbid(unsafe_code)]

mod check;
mod dns;
mod http;
mod load;
mod pause;
mod serve;
mod verdict;

use std::io;
use std::process::ExitCode;

use verdict::Verdict;

const USAGE: &str = "\
usage: labtool MODE [+ MODE]...
  pause                               wait, reap orphans
  sleep SECONDS                       wait, then end with 0
  serve [IP:]PORT TEXT                TCP: say TEXT to everyone who connects
  serve-udp [IP:]PORT TEXT            UDP: answer each datagram with TEXT
  http [IP:]PORT [PATH=BODY]...       HTTP/1.1: 200 with BODY under PATH, else 404
  dns [IP:]PORT [NAME=IP]...          DNS over UDP and TCP: A and AAAA of the names, else NXDOMAIN
  check IP PORT [MS]                  connect over TCP, print what the server says first
  check-udp IP PORT [MS]              send one datagram, print the answer
  check-http IP PORT PATH [MS]        GET PATH, print the status line and the body's first line
  check-dns IP PORT NAME [MS]         ask for the addresses of NAME over UDP
  probe MS TARGET...                  all at once, a line each: tcp/IP:PORT, udp/IP:PORT,
                                      http/IP:PORT/PATH, dns/IP:PORT/NAME
  env NAME                            print the value of a variable
  cat FILE                            print a file
  eat MIB                             touch that much memory and keep it
check* print OPEN <text> (exit 0), BLOCKED (timeout) (1), FAIL <error> (2), REFUSED <error> (3)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The image links the program under the name `pause`, as the sandbox image calls it.
    let words = match words.split_first() {
        Some((name, [])) if name.ends_with("pause") => vec!["pause"],
        Some((_, rest)) => rest.to_vec(),
        None => Vec::new(),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Verdict::failed(&error).print(),
    };
    runtime.block_on(async {
        tokio::select! {
            verdict = run(&words) => verdict.print(),
            // A process with number 1 ignores every signal it has no handler for, and its pod takes the
            // whole grace period to end.
            result = pause::asked_to_end() => result.map_or_else(|error| Verdict::failed(&error).print(), |()| ExitCode::SUCCESS),
        }
    })
}

/// Runs all modes side by side; the first that ends ends the program.
async fn run(words: &[&str]) -> Verdict {
    let mut modes = tokio::task::JoinSet::new();
    for mode in words.split(|word| *word == "+") {
        let mode: Vec<String> = mode.iter().map(|word| (*word).to_owned()).collect();
        modes.spawn(async move { one(&mode.iter().map(String::as_str).collect::<Vec<_>>()).await });
    }
    match modes.join_next().await {
        Some(Ok(verdict)) => verdict,
        Some(Err(error)) => Verdict::failed(&error),
        None => Verdict::usage(USAGE),
    }
}

async fn one(words: &[&str]) -> Verdict {
    let result = match words {
        ["pause"] => pause::forever().await,
        ["sleep", seconds] => pause::sleep(seconds).await,
        ["serve", place, text] => serve::tcp(place, text).await,
        ["serve-udp", place, text] => serve::udp(place, text).await,
        ["http", place, pages @ ..] => http::serve(place, pages).await,
        ["dns", place, records @ ..] => dns::serve(place, records).await,
        ["check", ip, port] => return check::tcp(ip, port, check::DEADLINE_MS).await,
        ["check", ip, port, ms] => return check::tcp(ip, port, ms).await,
        ["check-udp", ip, port] => return check::udp(ip, port, check::DEADLINE_MS).await,
        ["check-udp", ip, port, ms] => return check::udp(ip, port, ms).await,
        ["check-http", ip, port, path] => return check::http(ip, port, path, check::DEADLINE_MS).await,
        ["check-http", ip, port, path, ms] => return check::http(ip, port, path, ms).await,
        ["check-dns", ip, port, name] => return check::dns(ip, port, name, check::DEADLINE_MS).await,
        ["check-dns", ip, port, name, ms] => return check::dns(ip, port, name, ms).await,
        ["probe", ms, targets @ ..] => check::many(ms, targets).await,
        ["env", name] => load::env(name),
        ["cat", file] => load::cat(file),
        ["eat", mib] => load::eat(mib).await,
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, USAGE)),
    };
    match result {
        Ok(()) => Verdict::Done,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Verdict::usage(&error.to_string()),
        Err(error) => Verdict::failed(&error),
    }
}
