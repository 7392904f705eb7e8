//! `cargo xtask bench sign`: signing and verifying beside PyPI's model-signing, interleaved. Each verifies what the other
//! has signed, so that a figure for a wrong digest cannot come about.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use super::Bar;
use super::live::built;
use super::measure;
use super::measure::Cost;
use crate::failure::Failure;
use crate::shell;
use crate::tools;

const RUNS: usize = 3;
/// Bytes of each of three files; the single file has the sum of them, and so have as many as a large model has.
const PART: u64 = 1_431_655_765;
const SHARDS: u64 = 30;
const BLOCK: usize = 1 << 20;

pub(super) fn run() -> Result<(), Failure> {
    let peer = tools::install_model_signing()?;
    let mut cargo = shell::cargo(["build", "--quiet", "--locked", "--release", "--target-dir", "target"]);
    shell::run(cargo.args(["--package", "ringfence"]))?;
    let version = shell::output(Command::new(&peer).arg("--version"))?;
    println!("{}, {}.\n", super::setting("cargo xtask bench sign"), version.trim());
    let folder = super::folder("sign")?;
    let sides = Sides::new(peer, &folder)?;

    println!(
        "| what | run | Ringfence sign CPU-s | model-signing | Ringfence verify CPU-s | model-signing | peak MB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let parts = folder.join("parts");
    for name in ["one", "two", "three"] {
        write(&parts.join(name), PART)?;
    }
    let three = sides.compare("4.29 GB in three files", &parts, RUNS)?;
    fs::remove_dir_all(&parts).map_err(Failure::while_(parts.display()))?;
    for number in 0..SHARDS {
        write(&parts.join(number.to_string()), 3 * PART / SHARDS)?;
    }
    let thirty = sides.compare("4.29 GB in thirty files", &parts, RUNS)?;
    fs::remove_dir_all(&parts).map_err(Failure::while_(parts.display()))?;
    let whole = folder.join("whole");
    write(&whole, 3 * PART)?;
    let one = sides.compare("4.29 GB in one file", &whole, RUNS)?;
    fs::remove_file(&whole).map_err(Failure::while_(whole.display()))?;
    let tiny = folder.join("tiny");
    for name in ["one", "two"] {
        write(&tiny.join(name), 2)?;
    }
    sides.sign(&tiny)?;
    let small = sides.verify(&tiny, 200)?;
    let theirs = sides.verify_with_peer(&tiny)?;
    println!();
    super::print_bars(&bars(&three, &thirty, &one, small, theirs))
}

/// Both programs, with a key that both read.
struct Sides {
    ours: PathBuf,
    theirs: PathBuf,
    folder: PathBuf,
}

/// The least of the runs.
struct Compared {
    sign: (Cost, Cost),
    verify: (Cost, Cost),
}

impl Sides {
    fn new(theirs: PathBuf, folder: &Path) -> Result<Self, Failure> {
        let sides = Self { ours: built("ringfence"), theirs, folder: folder.to_owned() };
        fs::write(sides.path("password"), "").map_err(Failure::while_("password"))?;
        let mut keygen = Command::new(&sides.ours);
        keygen.args(["model", "keygen", "--key-format", "pem", "--out", &sides.path("key")]);
        shell::output(keygen.args(["--password-file", &sides.path("password")]))?;
        Ok(sides)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn compare(&self, what: &str, model: &Path, runs: usize) -> Result<Compared, Failure> {
        let (mut sign, mut verify) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for run in 1..=runs {
            sign.0.push(self.sign(model)?);
            sign.1.push(self.sign_with_peer(model)?);
            verify.0.push(self.verify(model, 1)?);
            verify.1.push(self.verify_with_peer(model)?);
            let last = |costs: &[Cost]| costs.last().map_or(0.0, |cost| cost.cpu_seconds);
            let peak = verify.0.last().map_or(0.0, |cost| cost.peak_megabytes);
            println!(
                "| {what} | {run} | {:.2} | {:.2} | {:.2} | {:.2} | {peak:.0} |",
                last(&sign.0),
                last(&sign.1),
                last(&verify.0),
                last(&verify.1),
            );
        }
        let least = |(ours, theirs): (Vec<Cost>, Vec<Cost>)| (Cost::least(&ours), Cost::least(&theirs));
        Ok(Compared { sign: least(sign), verify: least(verify) })
    }

    fn sign(&self, model: &Path) -> Result<Cost, Failure> {
        let (model, key, out) = (model.to_string_lossy(), self.path("key.key"), self.path("ours.sig"));
        // A signature of another model is never written over.
        match fs::remove_file(&out) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::while_(out)(error));
            }
            _ => {}
        }
        measure::cost(&self.ours, &["model", "sign", &model, "--key", &key, "--out", &out], &[], &[0])
    }

    fn sign_with_peer(&self, model: &Path) -> Result<Cost, Failure> {
        let (model, key, out) = (model.to_string_lossy(), self.path("key.key"), self.path("theirs.sig"));
        let arguments = ["sign", "key", &model, "--signature", &out, "--private_key", &key];
        measure::cost(&self.theirs, &arguments, &[], &[0])
    }

    /// What the other has signed, where it has signed this model.
    fn verify(&self, model: &Path, times: u32) -> Result<Cost, Failure> {
        let from = if times == 1 { "theirs.sig" } else { "ours.sig" };
        let (model, key, signature) = (model.to_string_lossy(), self.path("key.pub"), self.path(from));
        let arguments = ["model", "verify", &model, "--signature", &signature, "--key", &key];
        measure::mean_cost(times, &self.ours, &arguments, &[], &[0])
    }

    /// What we have signed.
    fn verify_with_peer(&self, model: &Path) -> Result<Cost, Failure> {
        let (model, key, signature) = (model.to_string_lossy(), self.path("key.pub"), self.path("ours.sig"));
        let arguments = ["verify", "key", &model, "--signature", &signature, "--public_key", &key];
        measure::cost(&self.theirs, &arguments, &[], &[0])
    }
}

/// Bytes that no two blocks share.
fn write(path: &Path, len: u64) -> Result<(), Failure> {
    let failed = || Failure::while_(path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed())?;
    }
    let mut word = 1_u64;
    let mut block: Vec<u8> = Vec::with_capacity(BLOCK);
    while block.len() < BLOCK {
        // Xorshift (Marsaglia 2003): bytes without a pattern, and nothing to depend on.
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        block.extend(word.to_le_bytes());
    }
    let mut file = File::create(path).map_err(failed())?;
    let mut left = len;
    for number in 0_u64.. {
        let count = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        if count == 0 {
            break;
        }
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block[..count]).map_err(failed())?;
        left -= count as u64;
    }
    Ok(())
}

fn bars(three: &Compared, thirty: &Compared, one: &Compared, small: Cost, theirs: Cost) -> [Bar; 9] {
    let ratio = |figure, promise, (ours, theirs): (Cost, Cost), least: f64| {
        let times = theirs.cpu_seconds / ours.cpu_seconds;
        let measured =
            format!("{times:.2} times: {:.2} and {:.2} CPU-s", ours.cpu_seconds, theirs.cpu_seconds);
        Bar { figure, promise, measured, holds: times >= least }
    };
    let peak = three.verify.0.peak_megabytes.max(one.verify.0.peak_megabytes);
    let milliseconds = small.cpu_seconds * 1e3;
    [
        ratio("sign 4.29 GB in three files", "at least 1.75 times per CPU-second", three.sign, 1.75),
        ratio("verify the same", "at least 1.75 times", three.verify, 1.75),
        ratio("sign 4.29 GB in thirty files", "at least 1.75 times", thirty.sign, 1.75),
        ratio("verify the same", "at least 1.75 times", thirty.verify, 1.75),
        ratio("sign 4.29 GB in one file", "at least 1.2 times", one.sign, 1.2),
        ratio("verify the same", "at least 1.2 times", one.verify, 1.2),
        Bar {
            figure: "verify two files of two bytes",
            promise: "at most 11 ms of CPU",
            measured: format!("{milliseconds:.1} ms, mean of 200"),
            holds: milliseconds <= 11.0,
        },
        ratio("the same, beside model-signing", "at least 50 times less", (small, theirs), 50.0),
        Bar {
            figure: "peak memory, verifying 4.29 GB",
            promise: "at most 40 MiB",
            measured: format!("{peak:.0} MB"),
            holds: peak <= 41.9,
        },
    ]
}
