//! `ringfence model sign PATH`: files and a key -> a signature file.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use ringfence_attest::KeyError;
use ringfence_attest::PrivateKey;
use ringfence_attest::SignError;
use ringfence_attest::Signing;
use ringfence_finding::ExitCode;
use ringfence_inventory::read_named;
use ringfence_report::SignedModel;

use super::password;
use crate::config::leads_through;
use crate::exit::Wrong;
use crate::output;
use crate::progress;
use crate::progress::Total;
use crate::terminal;

/// Name of the signature of a folder, in it, where none is given.
const OF_FOLDER: &str = "model.sig";
/// Ending of the signature of a file, beside it, where none is given.
const OF_FILE: &str = ".sig";
/// Bytes of a file that is there and may be a signature; a larger one is none.
const MAX_BUNDLE: u64 = 16 << 20;
/// Bytes of a file with a key or with certificates; those of every public authority together have a quarter of it.
pub(super) const MAX_KEY: u64 = 1 << 20;

/// Sign a model: every file by name and SHA-256, in one OpenSSF Model Signing bundle.
///
/// What is written verifies with `ringfence model verify` and with `model_signing verify` of PyPI's model-signing. Git's own
/// files at the top of the folder and the signature itself are left out, and the signature says so. A signature that is there
/// is written anew where it signs what has this name, and never where it signs something else.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence model sign llama/ --key model.key          writes llama/model.sig
  ringfence model sign a.gguf --key model.key          writes a.gguf.sig
  ringfence model sign llama/ --key model.key --out llama.sig \\
      --ignore llama/README.md
  ringfence model sign llama/ --key leaf.key --cert leaf.pem \\
      --chain intermediate.pem

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
    /// File for the signature; where none is said, model.sig in the folder, or FILE.sig beside the file.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Path that is left out, with all below it; as from here, as tab completion gives it.
    #[arg(long, value_name = "PATH")]
    ignore: Vec<PathBuf>,
    /// File with the password of the key; without it COSIGN_PASSWORD is taken, or the terminal asks.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// No words but errors.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    screen: crate::cli::Screen,
}

impl Sign {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let of_key =
            |error: &dyn std::fmt::Display| Wrong::new(format!("--key {}", self.key.display()), error);
        let read = read_named(&self.key, MAX_KEY).map_err(|error| match error.kind() {
            ErrorKind::NotFound => of_key(&format!("{error}; `ringfence model keygen` makes a key pair")),
            _ => of_key(&error),
        });
        let bytes = zeroize::Zeroizing::new(read?);
        let what = self.key.display().to_string();
        let mut no_password = None;
        let mut ask = || {
            password::ask(self.password_file.as_deref(), &what).map_err(|wrong| {
                let words = wrong.to_string();
                no_password = Some(wrong);
                KeyError::NoPassword(words)
            })
        };
        let key = PrivateKey::read(&bytes, &mut ask);
        let key = key.map_err(|error| no_password.unwrap_or_else(|| of_key(&error)))?;
        let chain = self.certificates(&key)?;
        let out = self.out.clone().unwrap_or_else(|| default_signature(&self.path));
        let read = [&self.key].into_iter().chain(&self.cert).chain(&self.chain).chain(&self.password_file);
        output::spares("--out", Some(&out), read.map(PathBuf::as_path))?;
        let here = self.is_foreign(&out)?;
        self.keeps_another(&out)?;
        let mut ignore = all_below(&self.path, &self.ignore)?;
        ignore.extend(below(&self.path, &out));
        let signed = progress::during("hashing", Total::Bytes(self.path.clone()), self.quiet, |done| {
            let count = progress::bytes(done);
            ringfence_attest::sign(&Signing {
                path: &self.path,
                key: &key,
                chain: &chain,
                ignore: &ignore,
                // By what it is, not by its name: it may be in the model under another one.
                key_file: place(&self.key),
                password_file: self.password_file.as_deref().and_then(place),
                threads: None,
                count: &count,
            })
        });
        let signed = signed.map_err(|error| of_signing(&self.path, error))?;
        let print = |file: &mut dyn std::io::Write| file.write_all(signed.bundle.as_bytes());
        if here {
            output::write_here(&out, print)?;
        } else {
            output::write(Some(&out), print)?;
        }
        if !self.quiet {
            let told = SignedModel {
                source: self.path.display().to_string(),
                signature: out.display().to_string(),
                files: signed.files,
                bytes: signed.bytes,
                key: key.public().fingerprint().to_string(),
                algorithm: key.public().algorithm().as_str(),
                payload: signed.payload.to_string(),
                root: signed.root.to_string(),
                skipped: signed.skipped,
            };
            let style = terminal::style(self.screen.color, false, false);
            output::to_stdout(|to| ringfence_report::write_signed(&told, &style, to))?;
        }
        Ok(ExitCode::Clean)
    }

    /// Whether others may have filled the place of the signature, as it is in the model or was not typed: then what is there
    /// leads nowhere else, or is refused.
    fn is_foreign(&self, out: &Path) -> Result<bool, Wrong> {
        let inside = self.path.is_dir() && leads_through(out, &self.path);
        let here = inside || self.out.is_none();
        if here {
            output::plain(out)?;
        }
        if inside && below(&self.path, out).is_none() {
            let words = "a link of the model leads there: choose another --out";
            return Err(Wrong::new(format!("cannot write {}", out.display()), words));
        }
        Ok(here)
    }

    /// Refuses a place where no file can be, and what is there, unless it is a signature of what has the same name.
    fn keeps_another(&self, out: &Path) -> anyhow::Result<()> {
        // Before anything is hashed: that may take minutes.
        output::can_begin(out)?;
        // An empty one says nothing, and what is no file (`/dev/null`, a pipe) is never replaced.
        if !std::fs::metadata(out).is_ok_and(|there| there.is_file() && there.len() > 0) {
            return Ok(());
        }
        let wrong = |why: &str| {
            let cure = "--out names another file for the new signature";
            Wrong::new(out.display().to_string(), format!("{why}, and stays as it is; {cure}"))
        };
        let read = read_named(out, MAX_BUNDLE);
        let bundle = read.map_err(|error| wrong(&format!("is there and cannot be read ({error})")))?;
        match ringfence_attest::signs_another(&bundle, &self.path) {
            Ok(None) => Ok(()),
            Ok(Some(other)) => {
                // Nobody has checked it: a line break in there is not one of ours.
                let other = ringfence_report::quoted_name(&other);
                Err(wrong(&format!("is the signature of {other}")).into())
            }
            Err(_) => Err(wrong("is there and is no signature of a model").into()),
        }
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
            let what = format!("--cert {}", file.display());
            return Err(Wrong::new(what, "its key is not that of --key").into());
        }
        Ok(chain)
    }
}

/// Device and inode of a file.
fn place(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Certificates of one file.
fn certificates(option: &str, file: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let wrong = |error: &dyn std::fmt::Display| Wrong::new(format!("{option} {}", file.display()), error);
    let bytes = read_named(file, MAX_KEY).map_err(|error| wrong(&error))?;
    Ok(ringfence_attest::certificates(&bytes).map_err(|error| wrong(&error))?)
}

/// Where the signature of a model lies unless somebody says otherwise.
pub(super) fn default_signature(model: &Path) -> PathBuf {
    if model.is_dir() {
        return model.join(OF_FOLDER);
    }
    let mut own = model.as_os_str().to_owned();
    own.push(OF_FILE);
    own.into()
}

/// The signature that is there: of a file, its own, or else one beside it by the name that a folder's has.
pub(super) fn present_signature(model: &Path) -> PathBuf {
    let own = default_signature(model);
    let beside = model.with_file_name(OF_FOLDER);
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    if model.is_file() && !is_there(&own) && is_there(&beside) { beside } else { own }
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

/// The same of all that --ignore names.
pub(super) fn all_below(model: &Path, paths: &[PathBuf]) -> Result<Vec<String>, Wrong> {
    let one = |path: &PathBuf| {
        below(model, path).ok_or_else(|| {
            let cure = format!("as seen from here it would begin with {}", model.display());
            Wrong::new(format!("--ignore {}", path.display()), format!("not inside the model: {cure}"))
        })
    };
    paths.iter().map(one).collect()
}

fn of_signing(path: &Path, error: SignError) -> anyhow::Error {
    let wrong = |reason: &dyn std::fmt::Display| Wrong::new(path.display().to_string(), reason);
    match error {
        SignError::Empty | SignError::Root(_) | SignError::TooLarge(_) => wrong(&error).into(),
        SignError::Refused(each) => wrong(&"cannot sign this model:").of_each(each).into(),
        SignError::Unread(each) => wrong(&"could not read all of the model:").of_each(each).unread().into(),
        SignError::Key(_) | SignError::WrongAnswer(_) => anyhow::Error::new(error),
    }
}
