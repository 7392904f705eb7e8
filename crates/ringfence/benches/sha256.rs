//! A scan with digests beside hashing alone: `model scan --sha256` and `model sign` of the same folder, interleaved, in
//! CPU-seconds of each process as the kernel counts them. Signing is hashing and one signature, which takes less than a
//! millisecond. `cargo bench -p ringfence --bench sha256`; figures stand in docs/performance.md.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and fails where it cannot go on"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

/// Bytes of each file; both hash at their full speed, one stream and two.
const FILE: u64 = 1 << 30;
const ROUNDS: usize = 3;

fn main() {
    // `cargo test --benches` asks for a list.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sha256");
    std::fs::create_dir_all(&folder).unwrap();
    let (key, empty) = (folder.join("k"), folder.join("empty"));
    File::create(&empty).unwrap();
    let _ = std::fs::remove_file(folder.join("k.key"));
    let _ = std::fs::remove_file(folder.join("k.pub"));
    let words = ["--key-format", "pem", "--password-file"].map(Path::new);
    run(&[&["model", "keygen", "--out"].map(Path::new)[..], &[&key], &words, &[&empty]].concat());
    println!(
        "| files | model scan --sha256, CPU-s | model sign, CPU-s | share of its throughput |\n|---|---|---|---|"
    );
    for files in [1_u64, 3] {
        let models = folder.join(format!("models-{files}"));
        std::fs::create_dir_all(&models).unwrap();
        (0..files).for_each(|number| write(&models.join(format!("{number}.safetensors"))));
        let (key, out) = (folder.join("k.key"), folder.join(format!("signature-{files}")));
        let sign = ["model", "sign", "--key"].map(Path::new);
        let sign = [&sign[..], &[&key, Path::new("--out"), &out, &models]].concat();
        let scan = [&["model", "scan", "--sha256"].map(Path::new)[..], &[&models]].concat();
        let (mut least_scan, mut least_sign) = (f64::MAX, f64::MAX);
        // The first of each fills the page cache.
        run(&sign);
        for _ in 0..ROUNDS {
            least_scan = least_scan.min(run(&scan));
            least_sign = least_sign.min(run(&sign));
        }
        println!(
            "| {files} | {least_scan:.2} | {least_sign:.2} | {:.1} % |",
            least_sign / least_scan * 100.0
        );
    }
}

/// Runs the binary and says how much CPU time it took, user and system, in steps of 10 ms.
fn run(arguments: &[&Path]) -> f64 {
    let before = children();
    let status =
        Command::new(env!("CARGO_BIN_EXE_ringfence")).args(arguments).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{arguments:?}: {status}");
    children() - before
}

/// CPU time of the children that were waited for: fields 16 and 17 of proc_pid_stat(5), in hundredths of a second.
fn children() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[13..15].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// One tensor of bytes that no two blocks share.
fn write(path: &Path) {
    if path.metadata().is_ok_and(|metadata| metadata.len() > FILE) {
        return;
    }
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{FILE}],"data_offsets":[0,{FILE}]}}}}"#);
    let mut file = File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    let mut state = 1_u64;
    let mut block = vec![0; 1 << 20];
    for _ in 0..FILE >> 20 {
        for word in block.as_chunks_mut::<8>().0 {
            // Marsaglia, "Xorshift RNGs", 2003.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *word = state.to_le_bytes();
        }
        file.write_all(&block).unwrap();
    }
}
