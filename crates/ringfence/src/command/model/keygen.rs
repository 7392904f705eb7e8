//! `ringfence model keygen`: a new key pair -> two files.

use std::fs;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap::ValueEnum;
use ringfence_attest::PrivateKey;
use ringfence_finding::ExitCode;
use zeroize::Zeroizing;

use super::password;
use crate::exit::Wrong;
use crate::output;

/// Make a key pair to sign models with.
///
/// Writes PREFIX.key, which signs and stays secret, and PREFIX.pub, which verifies and is given away. Files that are there
/// are never overwritten.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence model keygen                              model.key, model.pub
  ringfence model keygen --key-format pem --out release
  ringfence model keygen --password-file secret.txt

The password comes from --password-file, COSIGN_PASSWORD or the terminal, which asks twice; never from an argument.

Exit codes: 0 both files written, 2 usage, 5 internal error.")]
pub(crate) struct Keygen {
    /// Curve.
    #[arg(long, value_enum, default_value_t, value_name = "CURVE")]
    curve: Curve,
    /// Form of the secret file.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    key_format: KeyFormat,
    /// Name of the files, without ending.
    #[arg(long, default_value = "model", value_name = "PREFIX")]
    out: PathBuf,
    /// File with the password. With an empty password a PEM is not encrypted, and cosign's form opens for anybody.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Curve {
    /// P-256 with SHA-256: every tool has it.
    #[default]
    P256,
    /// P-384 with SHA-384.
    P384,
    /// P-521 with SHA-512.
    P521,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum KeyFormat {
    /// Encrypted, for anybody to open with an empty password; cosign reads it.
    #[default]
    Cosign,
    /// PKCS#8, unencrypted with an empty password; model-signing and OpenSSL read it.
    Pem,
}

impl Keygen {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let with = |ending: &str| {
            let mut path = self.out.clone().into_os_string();
            path.push(ending);
            PathBuf::from(path)
        };
        let (secret, public) = (with(".key"), with(".pub"));
        for path in [&secret, &public] {
            if path.symlink_metadata().is_ok() {
                let reason = "is there already; choose another --out";
                return Err(Wrong::new(path.display().to_string(), reason).into());
            }
        }
        let curve = match self.curve {
            Curve::P256 => ringfence_attest::Curve::P256,
            Curve::P384 => ringfence_attest::Curve::P384,
            Curve::P521 => ringfence_attest::Curve::P521,
        };
        let format = match self.key_format {
            KeyFormat::Cosign => ringfence_attest::KeyFormat::Cosign,
            KeyFormat::Pem => ringfence_attest::KeyFormat::Pem,
        };
        // Whoever compares fingerprints later must not be told a wrong one.
        ringfence_attest::checked()?;
        let what = secret.display().to_string();
        let password = password::ask_new(self.password_file.as_deref(), &what)?;
        let (key, file) = PrivateKey::generate(curve, format, &password)?;
        let text: Zeroizing<String> = file;
        create(&secret, text.as_bytes(), 0o600)?;
        if let Err(error) = create(&public, key.public().to_pem().as_bytes(), 0o644) {
            // Half a pair is of no use, and stands in the way of the next one.
            let _ = fs::remove_file(&secret);
            return Err(error);
        }
        let open = match (password.is_empty(), self.key_format) {
            (false, _) => "",
            (true, KeyFormat::Pem) => "; not encrypted: whoever reads it can sign",
            (true, KeyFormat::Cosign) => "; encrypted with an empty password: whoever reads it can sign",
        };
        output::to_stdout(|out| {
            writeln!(
                out,
                "{}   secret: signs{open}",
                ringfence_report::clean_line(&secret.display().to_string())
            )?;
            writeln!(
                out,
                "{}   give it away: verifies",
                ringfence_report::clean_line(&public.display().to_string())
            )?;
            writeln!(out, "key sha256:{}", key.public().fingerprint())
        })?;
        Ok(ExitCode::Clean)
    }
}

/// A new file, whole or not at all; one that is there stays as it is.
fn create(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let what = || format!("cannot write {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(|error| output::unopened(what(), error))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // That it cannot be removed either changes nothing.
        let _ = fs::remove_file(path);
    }
    written.map_err(|error| output::unopened(what(), error))
}
