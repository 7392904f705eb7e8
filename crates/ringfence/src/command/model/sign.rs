//! `ringfence model sign PATH`: files and a key -> a signature file.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use ringfence_attest::PrivateKey;
use ringfence_attest::SignError;
use ringfence_attest::Signing;
use ringfence_finding::ExitCode;

use super::password;
use crate::exit::Unreachable;
use crate::exit::Usage;
use crate::output;
use crate::progress;
use crate::progress::Total;

/// Name of the signature where none is given.
const DEFAULT: &str = "model.sig";

/// Sign a model: every file by name and SHA-256, in one OpenSSF Model Signing bundle.
///
/// What is written verifies with `ringfence model verify` and with `model_signing verify` of PyPI's model-signing. Git's own
/// files at the top of the folder and the signature itself are left out, and the signature says so.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence model sign llama/ --key model.key                 writes llama/model.sig
  ringfence model sign llama/ --key model.key --out llama.sig --ignore README.md
  ringfence model sign llama/ --key leaf.key --cert leaf.pem --chain intermediate.pem

Exit codes: 0 signed, 2 usage or nothing to sign, 3 something could not be read (nothing is signed then), 5 internal error.")]
pub(crate) struct Sign {
    /// Folder or file.
    path: PathBuf,
    /// Private key: PEM (PKCS#8, SEC1, encrypted) or cosign's key file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Certificate of the key, in PEM or DER: verifiers then trust its authority.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Certificates between that one and its authority.
    #[arg(long, value_name = "FILE", requires = "cert")]
    chain: Vec<PathBuf>,
    /// File for the signature; model.sig in the folder, or beside the file, where none is said.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Path that is left out, with all below it; as from here, as tab completion gives it.
    #[arg(long, value_name = "PATH")]
    ignore: Vec<PathBuf>,
    /// File with the password of the key.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// No words but errors.
    #[arg(short, long)]
    quiet: bool,
}

impl Sign {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let of_key = |error: &dyn std::fmt::Display| Usage(format!("--key {}: {error}", self.key.display()));
        let bytes = zeroize::Zeroizing::new(std::fs::read(&self.key).map_err(|error| of_key(&error))?);
        let what = self.key.display().to_string();
        let mut ask = || password::ask(self.password_file.as_deref(), &what);
        let key = PrivateKey::read(&bytes, &mut ask).map_err(|error| of_key(&error))?;
        let chain = self.certificates(&key)?;
        let out = self.out.clone().unwrap_or_else(|| default_signature(&self.path));
        let mut ignore = Vec::new();
        for path in &self.ignore {
            let below = below(&self.path, path)
                .ok_or_else(|| Usage(format!("--ignore {}: not inside the model", path.display())))?;
            ignore.push(below);
        }
        ignore.extend(below(&self.path, &out));
        let signed = progress::during("hashing", Total::Open("MB"), self.quiet, |done| {
            let count = progress::bytes(&done);
            ringfence_attest::sign(&Signing {
                path: &self.path,
                key: &key,
                chain: &chain,
                ignore: &ignore,
                threads: None,
                count: &count,
            })
        });
        let signed = signed.map_err(|error| of_signing(&self.path, error))?;
        output::write(Some(&out), |file| file.write_all(signed.bundle.as_bytes()))?;
        if !self.quiet {
            let line = |text: &str| ringfence_report::clean_line(text);
            output::to_stdout(|to| {
                writeln!(
                    to,
                    "{}   {} files, {} bytes   SIGNED",
                    line(&out.display().to_string()),
                    signed.files,
                    signed.bytes
                )?;
                writeln!(
                    to,
                    "  key         sha256:{}   {}",
                    key.public().fingerprint(),
                    key.public().algorithm().as_str()
                )?;
                writeln!(to, "  payload     sha256:{}   root sha256:{}", signed.payload, signed.root)?;
                for (path, files) in &signed.skipped {
                    writeln!(to, "  not covered {} ({files} files)", line(path))?;
                }
                Ok(())
            })?;
        }
        Ok(ExitCode::Clean)
    }

    /// The certificate of the key, then those above it.
    fn certificates(&self, key: &PrivateKey) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut chain = Vec::new();
        for (option, file) in self
            .cert
            .iter()
            .map(|file| ("--cert", file))
            .chain(self.chain.iter().map(|file| ("--chain", file)))
        {
            chain.extend(certificates(option, file)?);
        }
        if let (Some(leaf), Some(file)) = (chain.first(), &self.cert)
            && ringfence_attest::certificate_key(leaf).as_ref() != Some(key.public())
        {
            return Err(Usage(format!("--cert {}: its key is not that of --key", file.display())).into());
        }
        Ok(chain)
    }
}

/// Certificates of one file.
pub(super) fn certificates(option: &str, file: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let wrong = |error: &dyn std::fmt::Display| Usage(format!("{option} {}: {error}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| wrong(&error))?;
    Ok(ringfence_attest::certificates(&bytes).map_err(|error| wrong(&error))?)
}

/// Where the signature of a model lies unless somebody says otherwise.
pub(super) fn default_signature(model: &Path) -> PathBuf {
    if model.is_dir() { model.join(DEFAULT) } else { model.with_file_name(DEFAULT) }
}

/// A path, as seen from inside the model; none where it is outside, or the model itself.
pub(super) fn below(model: &Path, path: &Path) -> Option<String> {
    let model = std::fs::canonicalize(model).ok()?;
    let absolute = std::path::absolute(path).ok()?;
    // The last part may not be there yet, or be a link.
    let (parent, own) = (absolute.parent()?, absolute.file_name()?);
    let real = std::fs::canonicalize(parent).unwrap_or_else(|_| parent.to_owned()).join(own);
    let below = real.strip_prefix(model).ok()?.to_str()?;
    (!below.is_empty()).then(|| below.to_owned())
}

fn of_signing(path: &Path, error: SignError) -> anyhow::Error {
    let words = format!("{}: {error}", path.display());
    match error {
        SignError::Empty | SignError::Refused(_) | SignError::Root(_) => Usage(words).into(),
        SignError::Unread(_) => Unreachable(words).into(),
        SignError::Key(_) | SignError::WrongAnswer(_) => anyhow::Error::new(error),
    }
}
