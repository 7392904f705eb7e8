//! `ringfence model verify PATH`: files, a signature and who is trusted -> verified, or everything that does not hold.

use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use clap::Args;
use ringfence_attest::Request;
use ringfence_attest::Signature;
use ringfence_finding::ExitCode;
use ringfence_finding::Verification;
use ringfence_finding::VerifyReason;
use ringfence_inventory::open_named;

use super::sign;
use super::trust::TrustFlags;
use super::trust::Whom;
use crate::cli::Color;
use crate::cli::VerifyFormat;
use crate::exit;
use crate::exit::Wrong;
use crate::output;
use crate::progress;
use crate::progress::Total;
use crate::terminal;

/// Read one byte more than a bundle may have, and no more.
const MAX_BUNDLE: u64 = (16 << 20) + 1;

/// Verify that a model is what a trusted signer signed: every file, by name and digest.
///
/// Reads OpenSSF Model Signing bundles, of `ringfence model sign`, of PyPI's model-signing and of others, by SHA-256, BLAKE2b
/// and BLAKE3, of keys on curves and RSA, with timestamps. Files that nobody
/// signed fail, files that are gone fail, links fail, and what the signature does not cover is named. Nothing is asked of
/// the network, and no certificate authority is trusted but those given.
///
/// Whom to trust is said by --key or --ca, or else by `signers` in ringfence.yaml of the working directory or of a folder
/// above it. A file that lies with the model is never asked: it might have come with it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence model verify acme/llama                    signers of ringfence.yaml
  ringfence model verify llama/ --key model.pub        by llama/model.sig
  ringfence model verify a.gguf --key model.pub        by a.gguf.sig
  ringfence model verify llama/ --signature llama.sig --key model.pub
  ringfence model verify llama/ --ca root.pem --identity release@acme.example
  ringfence model verify llama/ --key model.pub --format junit -o verify.xml
  ringfence model verify llama/ --ca root.pem --at 2026-01-31     as of then
  ringfence model verify llama/ --ca root.pem --tsa-ca tsa.pem    as of its timestamp
  ringfence model verify llama/ --signature a.sig --signature b.sig \\
      --key a.pub --key b.pub --require all

ringfence.yaml:
  signers:
    - name: release
      scheme: oms
      key: keys/release.pub
      repos: [\"acme/*\"]
      notAfter: 2027-06-30

Exit codes: 0 verified, 1 verified, but no signature covers files that are not known to be inert, 2 usage, 3 something \
could not be read, 4 something does not hold, 5 internal error.")]
pub(crate) struct Verify {
    /// Folder or file.
    path: PathBuf,
    /// Signature; where none is said, model.sig in the folder, or FILE.sig beside the file, or else model.sig beside it. May
    /// be given several times.
    #[arg(long, value_name = "FILE")]
    signature: Vec<PathBuf>,
    #[command(flatten)]
    trust: TrustFlags,
    /// Let signatures count that have the form of model-signing 0.2 (2025, before the specification); the result tells it.
    #[arg(long)]
    oms_v02: bool,
    /// Path that is left out beside those of the signer, with all below it.
    #[arg(long, value_name = "PATH")]
    ignore: Vec<PathBuf>,
    /// Format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: VerifyFormat,
    /// File for the result, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Every reason.
    #[arg(short, long)]
    verbose: bool,
    /// One line.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    #[command(flatten)]
    screen: crate::cli::Screen,
}

impl Verify {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs();
        if let Err(error) = std::fs::metadata(&self.path) {
            return Err(Wrong::new(self.path.display().to_string(), error).into());
        }
        let whom = self.trust.whom(&self.path, now)?;
        let files = match self.signature.as_slice() {
            [] => vec![sign::present_signature(&self.path)],
            given => given.to_vec(),
        };
        let read = files.iter().chain([&self.path]).chain(&whom.read);
        output::spares("--output", self.output.as_deref(), read.map(PathBuf::as_path))?;
        let mut result = self.judge(&whom, &files, now)?;
        result.source = self.path.display().to_string();
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        result.signature = names.join(", ");
        result.notes.extend(whom.notes);
        result.policy = whom.policy;
        result.seconds = start.elapsed().as_secs_f64();
        result.cpu_seconds = cpu_seconds();
        let color = if self.output.is_some() { Color::Never } else { self.screen.color };
        let style = terminal::style(color, self.verbose, self.quiet);
        let written = output::write(self.output.as_deref(), |out| {
            ringfence_report::write_verification(&result, self.format.into(), &style, out)
        });
        exit::after(result.exit(), written)
    }

    fn judge(&self, whom: &Whom, files: &[PathBuf], now: u64) -> anyhow::Result<Verification> {
        if let (true, Some(policy)) = (whom.signers.is_empty(), &whom.policy) {
            let message = format!("{} names no signer for {}", policy.file.path, policy.repo);
            let reasons = vec![VerifyReason::failed("no-signer", message)];
            return Ok(Verification { reasons, ..Verification::default() });
        }
        let mut unread = Vec::new();
        let mut signatures = Vec::new();
        for file in files {
            match self.signature(file)? {
                Ok(signature) => signatures.push(signature),
                Err(reason) => unread.push(reason),
            }
        }
        let mut result = if signatures.is_empty() {
            Verification::default()
        } else {
            self.verify(whom, &signatures, now)?
        };
        result.reasons.extend(unread);
        Ok(result)
    }

    fn verify(&self, whom: &Whom, signatures: &[Signature], now: u64) -> anyhow::Result<Verification> {
        let ignore = sign::all_below(&self.path, &self.ignore)?;
        let verified = progress::during("hashing", Total::Bytes(self.path.clone()), self.quiet, |done| {
            let count = progress::bytes(done);
            ringfence_attest::verify(&Request {
                path: &self.path,
                signatures,
                trust: &whom.signers,
                require: whom.require,
                ignore: &ignore,
                allow_unsigned: whom.allow_unsigned.as_deref(),
                oms_v02: self.oms_v02,
                now,
                threads: None,
                count: &count,
            })
        });
        Ok(verified?)
    }

    /// A signature's bytes. None there is a model that nobody signed; one that cannot be read is another thing.
    fn signature(&self, file: &Path) -> anyhow::Result<Result<Signature, VerifyReason>> {
        let mut bundle = Vec::new();
        let read = open_named(file).and_then(|file| {
            // A file of the kernel has no length: to read it may take something away (`/proc/kmsg`).
            let there = file.metadata()?;
            let most = if there.is_file() { there.len().min(MAX_BUNDLE) } else { MAX_BUNDLE };
            file.take(most).read_to_end(&mut bundle)
        });
        let name = file.display().to_string();
        Ok(match read {
            Ok(_) => Ok(Signature { own: sign::below(&self.path, file), name, bundle }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.signature.is_empty() => {
                let message = format!("no signature: {name} is not there (--signature names another)");
                Err(VerifyReason::failed("signature", message))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Wrong::new(format!("--signature {name}"), error).into());
            }
            Err(error) => Err(VerifyReason::incomplete("unread", error.to_string()).by(name)),
        })
    }
}

/// CPU time of this process so far.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are shown")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}
