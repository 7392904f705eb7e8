//! Flags, or else `modelAllow` of `ringfence.yaml` -> the policy that judges: the built-in lists and the names of a team.

use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use clap::Args;
use ringfence_finding::ConfigFile;
use ringfence_finding::ModelScan;
use ringfence_inventory::read_named_text;
use ringfence_model::Date;
use ringfence_model::Policy;

use crate::config;
use crate::config::ConfigFlag;
use crate::exit::Wrong;

/// Bytes of a file with names of a team: some ten thousand entries.
pub(super) const MAX_BYTES: u64 = 4 << 20;

/// Which names.
#[derive(Args, Debug)]
pub(super) struct NameFlags {
    /// Names that your team allows as well, as `ringfence model allow` writes them; with it, no ringfence.yaml is read. May
    /// be given several times.
    #[arg(long, value_name = "FILE")]
    allow: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigFlag,
}

/// Today, in UTC. Asked only where names have a last day: a scan without them needs no clock.
pub(super) fn today() -> anyhow::Result<Date> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(Date::from_unix(now.as_secs()))
}

/// The policy in force, and where its names come from.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) policy: Policy,
    /// The files of the team, in order.
    pub(super) files: Vec<PathBuf>,
    config: Option<ConfigFile>,
    /// The configuration that was read, whatever it says.
    config_path: Option<PathBuf>,
    notes: Vec<String>,
}

impl NameFlags {
    /// The policy for what is at `judged`, with the names that count today.
    pub(super) fn load(&self, judged: &Path) -> anyhow::Result<Names> {
        let mut names = Names {
            policy: Policy::embedded().clone(),
            files: Vec::new(),
            config: None,
            config_path: None,
            notes: Vec::new(),
        };
        if !self.allow.is_empty() {
            for file in &self.allow {
                config::outside("--allow", file, judged)?;
                let text = read_named_text(file, MAX_BYTES)
                    .map_err(|error| Wrong::new(format!("--allow {}", file.display()), error))?;
                names.add("--allow", file.clone(), &text)?;
            }
            if let Some(file) = self.config.named() {
                names.notes.push(format!("{} was not read: --allow says which names", file.display()));
            }
            return Ok(names);
        }
        let look = self.config.look(judged)?;
        names.notes = look.passed_over;
        names.config_path = look.config.as_ref().map(|config| PathBuf::from(&config.file.path));
        let Some(config) = look.config.filter(|config| !config.settings.model_allow.is_empty()) else {
            return Ok(names);
        };
        for written in &config.settings.model_allow {
            let (file, bytes) = config.read_trusted("modelAllow", written, judged, MAX_BYTES)?;
            let what = format!("{}: modelAllow", config.file.path);
            let text = String::from_utf8(bytes).map_err(|error| {
                Wrong::new(format!("{what} {}", file.display()), format!("not UTF-8: {error}"))
            })?;
            names.add(&what, file, &text)?;
        }
        names.config = Some(config.file);
        Ok(names)
    }
}

impl Names {
    /// Every file that was read for them.
    pub(super) fn read(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().chain(&self.config_path)
    }

    fn add(&mut self, what: &str, file: PathBuf, text: &str) -> anyhow::Result<()> {
        let added = self.policy.add(text, today()?);
        added.map_err(|error| Wrong::new(format!("{what} {}", file.display()), error))?;
        self.files.push(file);
        Ok(())
    }

    /// Tells a result where its names come from.
    pub(super) fn tell(&self, scan: &mut ModelScan) {
        scan.config.clone_from(&self.config);
        scan.notes.extend_from_slice(&self.notes);
    }
}
