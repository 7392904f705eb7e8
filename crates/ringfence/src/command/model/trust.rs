//! Flags, or else the `signers` of `ringfence.yaml` -> whom `model verify` believes for one model, and how many of them have
//! to agree.

use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use ringfence_attest::Authorities;
use ringfence_attest::PublicKey;
use ringfence_attest::Require;
use ringfence_attest::TimeAuthorities;
use ringfence_attest::TrustRoot;
use ringfence_attest::TrustedSigner;
use ringfence_attest::VerifyTime;
use ringfence_finding::TrustInForce;
use ringfence_inventory::glob_matches;
use ringfence_inventory::read_named;
use ringfence_model::Date;

use super::sign;
use crate::config::Config;
use crate::config::ConfigFlag;
use crate::config::Root;
use crate::config::Signer;
use crate::exit::Usage;
use crate::exit::Wrong;

/// Seconds of a day, less the first one: a day counts to its end.
const REST_OF_DAY: u64 = 86_399;

/// Whom to believe. `requires` alone does not do: clap drops it where what is required conflicts with what is given.
#[derive(Args, Debug)]
pub(super) struct TrustFlags {
    /// Public key that is trusted; may be given several times. With it or --ca, no ringfence.yaml is read.
    #[arg(long, value_name = "FILE", conflicts_with = "ca")]
    key: Vec<PathBuf>,
    /// Certificates of authorities that are trusted, and nobody else.
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Whom the certificate must be for: one of its alternative names, or its common name where it has none.
    #[arg(long, value_name = "NAME", requires = "ca", conflicts_with = "key")]
    identity: Option<String>,
    /// When the certificates must be valid, with --ca or a `ca` of ringfence.yaml only: a date, a time in UTC, or
    /// leaf-not-before, which lets expired ones through.
    #[arg(long, value_name = "TIME", conflicts_with = "key")]
    at: Option<String>,
    /// Certificates of those who are trusted to tell the time, with --key and --ca: authorities above them, or their own. What a timestamp (RFC
    /// 3161) of the signature tells takes the place of the clock, and one that does not hold is a failure. Without it no
    /// timestamp is looked at.
    #[arg(long, value_name = "FILE")]
    tsa_ca: Option<PathBuf>,
    /// How many of the trusted have to agree: any, all or a number.
    #[arg(long, value_name = "COUNT")]
    require: Option<Require>,
    /// Name of the model that signers of ringfence.yaml are looked up by; the last two parts of the path where none is said.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["key", "ca"])]
    repo: Option<String>,
    /// Let files through that nobody signed; they are named.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    allow_unsigned_files: Option<bool>,
    #[command(flatten)]
    config: ConfigFlag,
}

/// Whom to believe for one model.
#[derive(Debug, Default)]
pub(super) struct Whom {
    pub(super) signers: Vec<TrustedSigner>,
    pub(super) require: Require,
    /// The option that lets files through which nobody signed.
    pub(super) allow_unsigned: Option<String>,
    /// The file that says so.
    pub(super) policy: Option<TrustInForce>,
    pub(super) notes: Vec<String>,
    /// Every file that was read for this.
    pub(super) read: Vec<PathBuf>,
}

impl TrustFlags {
    /// Whom to believe for the model at `path`, `now` in seconds since 1970. Nobody in `signers` is an answer, too: the
    /// file names no one for this model.
    pub(super) fn whom(&self, path: &Path, now: u64) -> anyhow::Result<Whom> {
        let whom = self.trusted(path, now)?;
        let given = whom.signers.len();
        // Nobody at all is an answer of its own.
        if let Some(Require::Count(count)) = self.require
            && given > 0
            && count.get() > given
        {
            let words = if given == 1 { "1 signer is".to_owned() } else { format!("{given} signers are") };
            return Err(Usage(format!("--require {count}: only {words} given")).into());
        }
        Ok(whom)
    }

    fn trusted(&self, path: &Path, now: u64) -> anyhow::Result<Whom> {
        if !self.key.is_empty() || !self.ca.is_empty() {
            return self.of_flags(now);
        }
        let look = self.config.look(path)?;
        let Some(config) = look.config.filter(|config| config.settings.signers.is_some()) else {
            let mut words =
                "nothing says whom to trust: pass --key or --ca, or name `signers` in ringfence.yaml \
                             here or above"
                    .to_owned();
            for line in look.passed_over {
                words = format!("{words}; {line}");
            }
            return Err(Usage(words).into());
        };
        if self.tsa_ca.is_some() {
            let file = &config.file.path;
            return Err(Usage(format!(
                "--tsa-ca: {file} says whom to trust, and with `tsa` also of the time"
            ))
            .into());
        }
        let mut whom = self.of_config(&config, path, now)?;
        let has_certificates = |signer: &TrustedSigner| matches!(signer.root, TrustRoot::Authority { .. });
        if self.at.is_some() && !whom.signers.is_empty() && !whom.signers.iter().any(has_certificates) {
            let file = &config.file.path;
            return Err(
                Usage(format!("--at: it is about certificates, and {file} trusts keys alone here")).into()
            );
        }
        whom.notes.extend(look.passed_over);
        Ok(whom)
    }

    fn of_flags(&self, now: u64) -> anyhow::Result<Whom> {
        let mut signers = Vec::new();
        let tsa = self.tsa_ca.as_ref().map(|file| {
            let wrong = |error: std::io::Error| Wrong::new(format!("--tsa-ca {}", file.display()), error);
            time_authorities("--tsa-ca", file, &read_named(file, sign::MAX_KEY).map_err(wrong)?)
        });
        let tsa = tsa.transpose()?;
        for file in &self.key {
            let wrong = |error: std::io::Error| Wrong::new(format!("--key {}", file.display()), error);
            let bytes = read_named(file, sign::MAX_KEY).map_err(wrong)?;
            let root = TrustRoot::Key(public_key("--key", file, &bytes)?);
            signers.push(TrustedSigner {
                name: file.display().to_string(),
                root,
                until: None,
                tsa: tsa.clone(),
            });
        }
        for file in &self.ca {
            let wrong = |error: std::io::Error| Wrong::new(format!("--ca {}", file.display()), error);
            let bytes = read_named(file, sign::MAX_KEY).map_err(wrong)?;
            let root = self.authority("--ca", file, &bytes, self.identity.clone(), now)?;
            signers.push(TrustedSigner {
                name: file.display().to_string(),
                root,
                until: None,
                tsa: tsa.clone(),
            });
        }
        let require = self.require.unwrap_or_default();
        let allow_unsigned = self.allow_unsigned_files.unwrap_or(false);
        let allow_unsigned = allow_unsigned.then(|| "--allow-unsigned-files".to_owned());
        let read = self.key.iter().chain(&self.ca).cloned().collect();
        let mut whom = Whom { signers, require, allow_unsigned, read, ..Whom::default() };
        if let Some(file) = self.config.named() {
            whom.notes.push(format!("{} was not read: --key and --ca say whom to trust", file.display()));
        }
        Ok(whom)
    }

    fn of_config(&self, config: &Config, path: &Path, now: u64) -> anyhow::Result<Whom> {
        let file = &config.file;
        let repo = match &self.repo {
            Some(repo) => repo.clone(),
            None => repo(path).ok_or_else(|| {
                Usage(format!("{}: no name to look signers up by: --repo says one", path.display()))
            })?,
        };
        let of_repo = |signer: &&Signer| signer.repos.iter().any(|glob| glob_matches(glob, &repo));
        let mut signers = Vec::new();
        let mut read = vec![PathBuf::from(&file.path)];
        for signer in config.settings.signers.iter().flatten().filter(of_repo) {
            signers.push(self.signer(signer, config, path, now, &mut read)?);
        }
        let require = match (self.require, &config.settings.require) {
            (Some(require), _) => require,
            (None, Some(text)) => {
                text.parse().map_err(|error| Usage(format!("{}: require: {error}", file.path)))?
            }
            (None, None) => Require::default(),
        };
        let allow_unsigned = match self.allow_unsigned_files {
            Some(flag) => flag.then(|| "--allow-unsigned-files".to_owned()),
            None => {
                config.settings.allow_unsigned_files.then(|| format!("allowUnsignedFiles in {}", file.path))
            }
        };
        let names = signers.iter().map(|signer| signer.name.clone()).collect();
        let policy = TrustInForce { file: file.clone(), repo, signers: names, require: require.to_string() };
        Ok(Whom { signers, require, allow_unsigned, policy: Some(policy), notes: Vec::new(), read })
    }

    fn signer(
        &self,
        signer: &Signer,
        config: &Config,
        path: &Path,
        now: u64,
        seen: &mut Vec<PathBuf>,
    ) -> anyhow::Result<TrustedSigner> {
        let mut read = |key: &str, file: &str| {
            let what = format!("signer {}: {key}", signer.name);
            let read = config.read_trusted(&what, file, path, sign::MAX_KEY)?;
            seen.push(read.0.clone());
            anyhow::Ok(read)
        };
        let what = |key: &str| format!("{}: signer {}: {key}", config.file.path, signer.name);
        let root = match &signer.root {
            Root::Key(file) => {
                let (file, bytes) = read("key", file)?;
                TrustRoot::Key(public_key(&what("key"), &file, &bytes)?)
            }
            Root::Ca { file, identity } => {
                let (file, bytes) = read("ca", file)?;
                self.authority(&what("ca"), &file, &bytes, identity.clone(), now)?
            }
        };
        let tsa = signer.tsa.as_deref().map(|file| {
            let (file, bytes) = read("tsa", file)?;
            anyhow::Ok(time_authorities(&what("tsa"), &file, &bytes)?)
        });
        let tsa = tsa.transpose()?;
        let last = |day: Date| {
            let first = ringfence_attest::parse_time(&day.to_string());
            // A day that no clock shows is never one without an end.
            first.map(|first| first + REST_OF_DAY).ok_or_else(|| Usage(format!("{} {day}", what("notAfter"))))
        };
        let until = signer.not_after.map(last).transpose()?;
        Ok(TrustedSigner { name: signer.name.clone(), root, until, tsa })
    }

    fn authority(
        &self,
        what: &str,
        file: &Path,
        bytes: &[u8],
        identity: Option<String>,
        now: u64,
    ) -> anyhow::Result<TrustRoot> {
        let wrong = |error: &dyn std::fmt::Display| Wrong::new(format!("{what} {}", file.display()), error);
        let roots = ringfence_attest::certificates(bytes).map_err(|error| wrong(&error))?;
        let time = match self.at.as_deref() {
            None => VerifyTime::Now(now),
            Some("leaf-not-before") => VerifyTime::LeafNotBefore,
            Some(text) => VerifyTime::At(ringfence_attest::parse_time(text).ok_or_else(|| {
                Usage(format!("--at {text}: expected 2026-01-31, 2026-01-31T12:00:00Z or leaf-not-before"))
            })?),
        };
        let authorities = Authorities::new(roots, time).map_err(|error| wrong(&error))?;
        Ok(TrustRoot::Authority { authorities, identity })
    }
}

fn public_key(what: &str, file: &Path, bytes: &[u8]) -> Result<PublicKey, Wrong> {
    PublicKey::read(bytes).map_err(|error| Wrong::new(format!("{what} {}", file.display()), error))
}

fn time_authorities(what: &str, file: &Path, bytes: &[u8]) -> Result<TimeAuthorities, Wrong> {
    let read = ringfence_attest::certificates(bytes).and_then(TimeAuthorities::new);
    read.map_err(|error| Wrong::new(format!("{what} {}", file.display()), error))
}

/// Name of a model: the last two parts of its path, as hubs write it. As it was typed: a link must not choose the signers
/// of another model for the place that is loaded.
fn repo(path: &Path) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?;
    let own = absolute.file_name()?.to_str()?;
    match absolute.parent()?.components().next_back()? {
        Component::Normal(above) => Some(format!("{}/{own}", above.to_str()?)),
        Component::RootDir => Some(own.to_owned()),
        // Where `..` leads, only a look at the disk can say.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_model_is_the_end_of_its_path_as_typed() {
        for (path, name) in [
            ("/srv/models/acme/llama", Some("acme/llama")),
            ("/srv/models/acme/llama/", Some("acme/llama")),
            ("/srv/acme/./llama", Some("acme/llama")),
            ("/llama", Some("llama")),
            ("/srv/acme/llama/..", None),
            ("/srv/acme/../llama", None),
            ("/", None),
        ] {
            assert_eq!(repo(Path::new(path)).as_deref(), name, "{path}");
        }
    }
}
