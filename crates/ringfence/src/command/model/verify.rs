//! `ringfence model verify PATH`: files, a signature and who is trusted -> verified, or everything that does not hold.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use clap::Args;
use ringfence_attest::Authorities;
use ringfence_attest::PublicKey;
use ringfence_attest::Request;
use ringfence_attest::Trust;
use ringfence_attest::VerifyTime;
use ringfence_finding::ExitCode;
use ringfence_finding::Verification;
use ringfence_finding::VerifyReason;

use super::sign;
use crate::cli::Color;
use crate::cli::VerifyFormat;
use crate::exit::Usage;
use crate::output;
use crate::progress;
use crate::progress::Total;
use crate::terminal;

/// Read one byte more than a bundle may have, and no more.
const MAX_BUNDLE: u64 = (16 << 20) + 1;

/// Verify that a model is what a trusted signer signed: every file, by name and SHA-256.
///
/// Reads OpenSSF Model Signing bundles, of `ringfence model sign`, of PyPI's model-signing and of others. Files that nobody
/// signed fail, files that are gone fail, links fail, and what the signature does not cover is named. Nothing is asked of
/// the network, and no certificate authority is trusted but those given.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence model verify llama/ --key model.pub                    signature in llama/model.sig
  ringfence model verify llama/ --signature llama.sig --key model.pub --format json
  ringfence model verify llama/ --key model.pub --format junit -o verify.xml
  ringfence model verify llama/ --ca root.pem                      signed with a certificate
  ringfence model verify llama/ --ca root.pem --at 2026-01-31      as it would have been judged then

Exit codes: 0 verified, 2 usage, 3 something could not be read, 4 something does not hold, 5 internal error.")]
pub(crate) struct Verify {
    /// Folder or file.
    path: PathBuf,
    /// Signature; model.sig in the folder, or beside the file, where none is said.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Public key that is trusted; may be given several times.
    #[arg(long, value_name = "FILE", required_unless_present = "ca", conflicts_with = "ca")]
    key: Vec<PathBuf>,
    /// Certificates of authorities that are trusted, and nobody else.
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// When the certificates must be valid: a date, a time in UTC, or leaf-not-before, which lets expired ones through.
    #[arg(long, value_name = "TIME", conflicts_with = "key")]
    at: Option<String>,
    /// Path that is left out beside those of the signer, with all below it.
    #[arg(long, value_name = "PATH")]
    ignore: Vec<PathBuf>,
    /// Let files through that nobody signed; they are named.
    #[arg(long)]
    allow_unsigned_files: bool,
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
        let trust = self.trust()?;
        if let Err(error) = std::fs::metadata(&self.path) {
            return Err(Usage(format!("{}: {error}", self.path.display())).into());
        }
        let signature = self.signature.clone().unwrap_or_else(|| sign::default_signature(&self.path));
        let mut result = match self.bundle(&signature)? {
            Ok(bundle) => self.verify(&trust, &bundle, &signature)?,
            Err(reason) => Verification { reasons: vec![reason], ..Verification::default() },
        };
        result.source = self.path.display().to_string();
        result.signature = signature.display().to_string();
        result.seconds = start.elapsed().as_secs_f64();
        result.cpu_seconds = cpu_seconds();
        let color = if self.output.is_some() { Color::Never } else { self.screen.color };
        let style = terminal::style(color, self.verbose, self.quiet);
        output::write(self.output.as_deref(), |out| {
            ringfence_report::write_verification(&result, self.format.into(), &style, out)
        })?;
        Ok(result.exit())
    }

    fn verify(
        &self,
        trust: &Trust,
        bundle: &[u8],
        signature: &std::path::Path,
    ) -> anyhow::Result<Verification> {
        let mut ignore = Vec::new();
        for path in &self.ignore {
            let below = sign::below(&self.path, path)
                .ok_or_else(|| Usage(format!("--ignore {}: not inside the model", path.display())))?;
            ignore.push(below);
        }
        let verified = progress::during("hashing", Total::Open("MB"), self.quiet, |done| {
            let count = progress::bytes(&done);
            ringfence_attest::verify(&Request {
                path: &self.path,
                bundle,
                own: sign::below(&self.path, signature),
                trust,
                ignore: &ignore,
                allow_unsigned: self.allow_unsigned_files,
                threads: None,
                count: &count,
            })
        });
        Ok(verified?)
    }

    /// The signature's bytes. None there is a model that nobody signed; one that cannot be read is another thing.
    fn bundle(&self, signature: &std::path::Path) -> anyhow::Result<Result<Vec<u8>, VerifyReason>> {
        let mut bytes = Vec::new();
        let read = File::open(signature).and_then(|file| file.take(MAX_BUNDLE).read_to_end(&mut bytes));
        Ok(match read {
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.signature.is_none() => {
                let message =
                    format!("no signature: {} is not there (--signature names another)", signature.display());
                Err(VerifyReason::failed("signature", message))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Usage(format!("--signature {}: {error}", signature.display())).into());
            }
            Err(error) => {
                Err(VerifyReason::incomplete("unread", format!("{}: {error}", signature.display())))
            }
        })
    }

    fn trust(&self) -> anyhow::Result<Trust> {
        if self.ca.is_empty() {
            let mut keys = Vec::new();
            for file in &self.key {
                let wrong =
                    |error: &dyn std::fmt::Display| Usage(format!("--key {}: {error}", file.display()));
                let bytes = std::fs::read(file).map_err(|error| wrong(&error))?;
                keys.push(PublicKey::read(&bytes).map_err(|error| wrong(&error))?);
            }
            return Ok(Trust::Keys(keys));
        }
        let mut roots = Vec::new();
        for file in &self.ca {
            roots.extend(sign::certificates("--ca", file)?);
        }
        let time = match self.at.as_deref() {
            None => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
                VerifyTime::Now(now.as_secs())
            }
            Some("leaf-not-before") => VerifyTime::LeafNotBefore,
            Some(text) => VerifyTime::At(ringfence_attest::parse_time(text).ok_or_else(|| {
                Usage(format!("--at {text}: expected 2026-01-31, 2026-01-31T12:00:00Z or leaf-not-before"))
            })?),
        };
        let authorities = Authorities::new(roots, time).map_err(|error| Usage(format!("--ca: {error}")))?;
        Ok(Trust::Authorities(authorities))
    }
}

/// CPU time of this process so far.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are shown")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}
