//! `ringfence model allow PATH`: names that nobody has judged -> what to type, or entries in a file of the team.
//!
//! A name is written only if it was named: whoever types it has read the code behind it.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use ringfence_finding::ExitCode;
use ringfence_finding::ModelScan;
use ringfence_inventory::read_named_text;
use ringfence_model::Addition;
use ringfence_model::Date;
use ringfence_model::Limits;
use ringfence_model::MOST_DAYS;
use ringfence_model::Policy;
use ringfence_model::Use;
use ringfence_model::Wanted;
use ringfence_model::wanted;
use ringfence_report::counted;

use super::entries::entries;
use super::names;
use super::names::NameFlags;
use super::names::Names;
use crate::config;
use crate::exit::Usage;
use crate::exit::Wrong;
use crate::nearest::nearest;
use crate::output;

/// Let models look up a name that your team has judged: exact, for named uses, with an owner and a last day.
///
/// Without --name it lists the names that no policy knows, with their uses and what to type for each, and writes nothing.
/// With --name it writes an entry for each name given, and for no other. What a name can do when a file is loaded is in its
/// code: read `__setstate__`, `__init__`, `__new__` and setters of a class, and what it imports, before you allow it. A
/// denied name (os.system) is never allowed. After its last day, at most 366 days away, the finding is back;
/// named again with a later day it is renewed.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence model allow models/          the names in question, nothing written
  ringfence model allow models/ --name acme.nn.Block --owner ml-platform \\
      --reason \"our own layer; fills attributes\" --expires 2027-06-30 \\
      --to model-names.toml
  ringfence model scan models/ --allow model-names.toml

ringfence.yaml, for every scan from its folder or below:
  modelAllow: [model-names.toml]

Exit codes, of the scan with the names as they are then: 0 clean, 1 review or malicious, 2 usage, 3 incomplete.")]
pub(crate) struct Allow {
    /// File or folder.
    path: PathBuf,
    /// Name to allow, as the list shows it: module.name, or module:name. May be given several times.
    #[arg(long, value_name = "NAME", requires = "owner", requires = "reason", requires = "expires")]
    name: Vec<String>,
    /// Use to allow, instead of all that were seen: import, call, new, build, mutate, persistent. May be given several times.
    #[arg(long = "use", value_name = "USE", requires = "name")]
    uses: Vec<Use>,
    /// Who answers for it: a team, not a person on leave.
    #[arg(long, value_name = "TEAM", requires = "name")]
    owner: Option<String>,
    /// Why it may be trusted: what was read.
    #[arg(long, value_name = "TEXT", requires = "name")]
    reason: Option<String>,
    /// Last day on which it counts, at most 366 days away.
    #[arg(long, value_name = "DATE", requires = "name")]
    expires: Option<Date>,
    /// File to write to; the one of --allow or `modelAllow` where there is just one.
    #[arg(long, value_name = "FILE", requires = "name")]
    to: Option<PathBuf>,
    #[command(flatten)]
    names: NameFlags,
}

impl Allow {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let today = names::today()?;
        let names = self.names.load(&self.path)?;
        if let Some(day) = self.expires.filter(|day| *day < today) {
            let reason = format!("is over; at most {MOST_DAYS} days from today");
            return Err(Wrong::new(format!("--expires {day}"), reason).into());
        }
        let mut policy = names.policy.clone();
        let file = if self.name.is_empty() { None } else { Some(self.file(&names)?) };
        let before = file.as_deref().map(read).transpose()?.unwrap_or_default();
        if let Some(file) = file.as_ref().filter(|file| !names.files.contains(file)) {
            add(&mut policy, &before, today, file)?;
        }
        let scan = self.scan(&policy)?;
        let wanted = wanted(&scan, &policy);
        let Some(file) = file else {
            return self.propose(&names, &scan, &wanted);
        };
        let files: Vec<&Path> = names.files.iter().chain([&file]).map(PathBuf::as_path).collect();
        let additions =
            self.additions(&Seen { scan: &scan, wanted: &wanted, policy: &policy, files: &files })?;
        // What is written must say what was meant, and what stood there before must say what it said.
        let (mut old, mut new) = (Policy::embedded().clone(), Policy::embedded().clone());
        add(&mut old, &before, today, &file)?;
        let entries = entries(&before, old.additions(), &additions);
        add(&mut new, &entries.text, today, &file)?;
        let (said, meant) = (new.additions(), &entries.meant);
        let is_meant = said.len() == meant.len() && meant.iter().all(|one| said.contains(one));
        anyhow::ensure!(is_meant, "{}: would not say what was meant", file.display());
        let added: String = additions.iter().map(Addition::to_toml).collect();
        add(&mut policy, &added, today, &file)?;
        output::write(Some(&file), |out| out.write_all(entries.text.as_bytes()))?;
        report(&file, &additions, entries.renewed, &wanted, &self.scan(&policy)?)
    }

    fn scan(&self, policy: &Policy) -> anyhow::Result<ModelScan> {
        let scan = ringfence_model::scan(&self.path, policy, &Limits::default(), &|| ());
        Ok(scan.map_err(|error| Wrong::new(self.path.display().to_string(), error))?)
    }

    /// The file to write to. Never one that lies with what is judged: it would come with the next download.
    fn file(&self, names: &Names) -> anyhow::Result<PathBuf> {
        let file = match (&self.to, names.files.as_slice()) {
            (Some(file), _) | (None, [file]) => file.clone(),
            (None, _) => {
                return Err(Usage(
                    "--to: which file? `modelAllow` in ringfence.yaml names one for good".to_owned(),
                )
                .into());
            }
        };
        config::outside("--to", &file, &self.path)?;
        Ok(file)
    }

    fn additions(&self, seen: &Seen<'_>) -> anyhow::Result<Vec<Addition>> {
        let addition = |name: &String| {
            let (module, own, uses) = self.meant(name, seen)?;
            let (Some(owner), Some(reason), Some(expires)) = (&self.owner, &self.reason, self.expires) else {
                return Err(wrong(name, "--owner, --reason and --expires go with it"));
            };
            let (owner, reason) = (owner.clone(), reason.clone());
            Ok(Addition { module, name: own, uses, owner, reason, expires })
        };
        Ok(self.name.iter().map(addition).collect::<Result<_, Wrong>>()?)
    }

    /// Module, name and uses of the one that is called `name`.
    fn meant(&self, name: &str, seen: &Seen<'_>) -> Result<(String, String, Vec<Use>), Wrong> {
        let mut found = seen.wanted.iter().filter(|one| is_called(name, &one.module, &one.name));
        let one = match (found.next(), found.next()) {
            (Some(one), None) => one,
            (Some(_), Some(_)) => return Err(wrong(name, "stands for two names: write module:name")),
            (None, _) => return self.renewed(name, seen),
        };
        if let Some(why) = &one.denied {
            return Err(wrong(name, format!("cannot be allowed: it {why}")));
        }
        let mut uses = if self.uses.is_empty() { one.uses.clone() } else { self.uses.clone() };
        if uses.is_empty() && one.is_known {
            return Err(wrong(name, "no entry allows what is done with it"));
        }
        if uses.is_empty() {
            uses.push(Use::Import);
        }
        Ok((one.module.clone(), one.name.clone(), uses))
    }

    /// The same of a name that is allowed already, if it is now for longer.
    fn renewed(&self, name: &str, seen: &Seen<'_>) -> Result<(String, String, Vec<Use>), Wrong> {
        let lookups = || seen.scan.files.iter().flat_map(|file| &file.lookups);
        let Some(lookup) = lookups().find(|one| is_called(name, &one.module, &one.name)) else {
            let known: Vec<String> = lookups().map(|one| format!("{}.{}", one.module, one.name)).collect();
            let near = nearest(name, known.iter().map(String::as_str));
            let hint = near.map_or_else(
                || "; without --name those that are looked up are listed".to_owned(),
                |near| format!("; did you mean {near}?"),
            );
            return Err(wrong(name, format!("is not looked up{hint}")));
        };
        let old = seen.policy.additions().iter();
        let old = old.filter(|one| (&one.module, &one.name) == (&lookup.module, &lookup.name));
        let Some(old) = old.max_by_key(|one| one.expires) else {
            return Err(wrong(name, "is allowed by the built-in lists"));
        };
        if self.expires.is_none_or(|day| day <= old.expires) {
            let file = seen.file_of(old).map_or_else(String::new, |file| format!(" ({})", file.display()));
            return Err(wrong(name, format!("is allowed until {} by {}{file}", old.expires, old.owner)));
        }
        let uses = if self.uses.is_empty() { old.uses.clone() } else { self.uses.clone() };
        Ok((old.module.clone(), old.name.clone(), uses))
    }

    fn propose(&self, names: &Names, scan: &ModelScan, wanted: &[Wanted]) -> anyhow::Result<ExitCode> {
        let exit = scan.exit(false);
        let (denied, open): (Vec<_>, Vec<_>) = wanted.iter().partition(|one| one.denied.is_some());
        output::to_stdout(|out| {
            let path = self.path.display().to_string();
            writeln!(
                out,
                "{}: {} that no policy allows; nothing is written",
                line(&path),
                counted(open.len(), "name")
            )?;
            for one in open {
                tell(one, out)?;
                if let Some(command) = command(one, &path, names) {
                    writeln!(out, "    {command}")?;
                }
            }
            for one in denied {
                let why = one.denied.as_deref().unwrap_or_default();
                writeln!(out, "  {}: never: it {why}", line(&dotted(one)))?;
            }
            closing(scan, exit, out)
        })?;
        Ok(exit)
    }
}

/// What is known before anything is written.
struct Seen<'s> {
    scan: &'s ModelScan,
    wanted: &'s [Wanted],
    policy: &'s Policy,
    files: &'s [&'s Path],
}

impl<'s> Seen<'s> {
    /// The file that has an entry for it.
    fn file_of(&self, addition: &Addition) -> Option<&'s Path> {
        let has_it = |file: &&Path| {
            let mut policy = Policy::embedded().clone();
            let text = read(file).unwrap_or_default();
            // On its first day nothing is over, and nothing too far away: only what it says matters.
            policy.add(&text, addition.expires).is_ok() && policy.additions().contains(addition)
        };
        self.files.iter().copied().find(has_it)
    }
}

fn wrong(name: &str, why: impl std::fmt::Display) -> Wrong {
    Wrong::new(format!("--name {name}"), why)
}

fn is_called(name: &str, module: &str, own: &str) -> bool {
    name == format!("{module}.{own}") || name == format!("{module}:{own}")
}

fn report(
    file: &Path,
    additions: &[Addition],
    renewed: usize,
    wanted: &[Wanted],
    scan: &ModelScan,
) -> anyhow::Result<ExitCode> {
    let exit = scan.exit(false);
    output::to_stdout(|out| {
        let did = match (additions.len() - renewed, renewed) {
            (added, 0) => format!("{} added", counted(added, "name")),
            (0, renewed) => format!("{} renewed", counted(renewed, "name")),
            (added, renewed) => format!("{} added, {renewed} renewed", counted(added, "name")),
        };
        writeln!(out, "{}: {did}", line(&file.display().to_string()))?;
        for one in additions {
            let name = line(&format!("{}.{}", one.module, one.name));
            writeln!(out, "  {name} ({}) until {}", words(&one.uses), one.expires)?;
            let same = wanted.iter().find(|other| (&other.module, &other.name) == (&one.module, &one.name));
            for what in same.into_iter().flat_map(|one| &one.stays) {
                writeln!(out, "    stays: `{}`, which no entry allows", what.as_str())?;
            }
        }
        closing(scan, exit, out)
    })?;
    Ok(exit)
}

/// One name of the list.
fn tell(one: &Wanted, out: &mut dyn io::Write) -> io::Result<()> {
    let files = if one.files == 1 { "1 file".to_owned() } else { format!("{} files", one.files) };
    let first = line(&one.first.to_string());
    writeln!(out, "  {}   {}   in {files}, first {first}", line(&dotted(one)), words(&one.uses))?;
    for what in &one.stays {
        writeln!(out, "    `{}`, which no entry allows: a finding stays", what.as_str())?;
    }
    Ok(())
}

/// What to type for a name; nothing where a name or path could do more in a shell than be an argument.
fn command(one: &Wanted, path: &str, names: &Names) -> Option<String> {
    let is_plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
    };
    let to = if names.files.len() == 1 { "" } else { " --to FILE" };
    let name = dotted(one);
    (is_plain(&name) && is_plain(path)).then(|| {
        format!("ringfence model allow {path} --name {name} --owner TEAM --reason WHY --expires DATE{to}")
    })
}

fn dotted(one: &Wanted) -> String {
    format!("{}.{}", one.module, one.name)
}

fn words(uses: &[Use]) -> String {
    let words: Vec<&str> = uses.iter().map(|what| what.as_str()).collect();
    if words.is_empty() { "import".to_owned() } else { words.join(", ") }
}

fn closing(scan: &ModelScan, exit: ExitCode, out: &mut dyn io::Write) -> io::Result<()> {
    // What is left is no name, or none that is listed here.
    let why = if exit == ExitCode::Clean { "" } else { ": `ringfence model scan` says why" };
    writeln!(out, "with these names: {}, exit {}{why}", scan.verdict(), exit.code())
}

fn line(text: &str) -> String {
    ringfence_report::clean_line(text)
}

/// The file's text; nothing where it is not there yet.
fn read(file: &Path) -> anyhow::Result<String> {
    match read_named_text(file, names::MAX_BYTES) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Wrong::new(file.display().to_string(), error).into()),
    }
}

fn add(policy: &mut Policy, text: &str, today: Date, file: &Path) -> anyhow::Result<()> {
    Ok(policy.add(text, today).map_err(|error| Wrong::new(file.display().to_string(), error))?)
}
