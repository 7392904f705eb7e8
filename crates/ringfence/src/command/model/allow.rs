//! `ringfence model allow PATH`: names that nobody has judged -> what to type, or entries in a file of the team.
//!
//! A name is written only if it was named: whoever types it has read the code behind it.

use std::fmt::Write as _;
use std::fs;
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
use ringfence_model::Policy;
use ringfence_model::Use;
use ringfence_model::Wanted;
use ringfence_model::wanted;

use super::names;
use super::names::NameFlags;
use super::names::Names;
use crate::config;
use crate::exit::Usage;
use crate::exit::Wrong;
use crate::output;

/// Let models look up a name that your team has judged: exact, for named uses, with an owner and a last day.
///
/// Without --name it lists the names that no policy knows, with their uses and what to type for each, and writes nothing.
/// With --name it writes an entry for each name given, and for no other. What a name can do when a file is loaded is in its
/// code: read `__setstate__`, `__init__`, `__new__` and setters of a class, and what it imports, before you allow it. A
/// denied name (os.system) is never allowed. After its last day, at most 366 days away, the finding is back.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence model allow models/                                  the names in question; nothing is written
  ringfence model allow models/ --name acme.nn.Block --owner ml-platform \\
      --reason \"our own layer; fills attributes\" --expires 2027-06-30 --to model-names.toml
  ringfence model scan models/ --allow model-names.toml
  ringfence.yaml: modelAllow: [model-names.toml]                 for every scan from here or below

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
        let names = self.names.load(&self.path)?;
        let mut policy = names.policy.clone();
        let file = if self.name.is_empty() { None } else { Some(self.file(&names)?) };
        let before = file.as_deref().map(read).transpose()?.unwrap_or_default();
        if let Some(file) = file.as_ref().filter(|file| !names.files.contains(file)) {
            add(&mut policy, &before, names.today, file)?;
        }
        let scan = self.scan(&policy)?;
        let wanted = wanted(&scan, &policy);
        let Some(file) = file else {
            return self.propose(&names, &scan, &wanted);
        };
        let additions = self.additions(&wanted)?;
        let entries = entries(&before, &additions);
        let text = format!("{before}{entries}");
        // What is written must say what was meant, and what stood there before must say what it said.
        let (mut old, mut new) = (Policy::embedded().clone(), Policy::embedded().clone());
        add(&mut old, &before, names.today, &file)?;
        add(&mut new, &text, names.today, &file)?;
        let meant = [old.additions(), &additions].concat();
        anyhow::ensure!(new.additions() == meant, "{}: would not say what was meant", file.display());
        add(&mut policy, &entries, names.today, &file)?;
        replace(&file, &text)?;
        report(&file, &additions, &wanted, &self.scan(&policy)?)
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
        // A file that is not there yet lies where its folder does.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        config::outside("--to", if file.is_file() { file.as_path() } else { folder }, &self.path)?;
        Ok(file)
    }

    fn additions(&self, wanted: &[Wanted]) -> anyhow::Result<Vec<Addition>> {
        let mut additions = Vec::new();
        for name in &self.name {
            let called = |one: &&Wanted| {
                *name == format!("{}.{}", one.module, one.name)
                    || *name == format!("{}:{}", one.module, one.name)
            };
            let mut found = wanted.iter().filter(called);
            let wrong = |why: String| Usage(format!("--name {name}: {why}"));
            let one = match (found.next(), found.next()) {
                (Some(one), None) => one,
                (Some(_), Some(_)) => {
                    return Err(wrong("stands for two names: write module:name".to_owned()).into());
                }
                (None, _) => {
                    let path = self.path.display();
                    return Err(
                        wrong(format!("{path} looks up no such name, or it is allowed already")).into()
                    );
                }
            };
            if let Some(why) = &one.denied {
                return Err(wrong(format!("cannot be allowed: it {why}")).into());
            }
            let mut uses = if self.uses.is_empty() { one.uses.clone() } else { self.uses.clone() };
            if uses.is_empty() && one.is_known {
                return Err(wrong("no entry allows what is done with it".to_owned()).into());
            }
            if uses.is_empty() {
                uses.push(Use::Import);
            }
            let (Some(owner), Some(reason), Some(expires)) = (&self.owner, &self.reason, self.expires) else {
                return Err(wrong("--owner, --reason and --expires go with it".to_owned()).into());
            };
            additions.push(Addition {
                module: one.module.clone(),
                name: one.name.clone(),
                uses,
                owner: owner.clone(),
                reason: reason.clone(),
                expires,
            });
        }
        Ok(additions)
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
                count(open.len())
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

fn report(
    file: &Path,
    additions: &[Addition],
    wanted: &[Wanted],
    scan: &ModelScan,
) -> anyhow::Result<ExitCode> {
    let exit = scan.exit(false);
    output::to_stdout(|out| {
        writeln!(out, "{}: {} added", line(&file.display().to_string()), count(additions.len()))?;
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

fn count(names: usize) -> String {
    if names == 1 { "1 name".to_owned() } else { format!("{names} names") }
}

fn closing(scan: &ModelScan, exit: ExitCode, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "with these names: {}, exit {}", scan.verdict(), exit.code())
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

/// Entries to stand behind `before`, with its line ends.
fn entries(before: &str, additions: &[Addition]) -> String {
    let mut entries = String::new();
    if !before.is_empty() {
        entries.push_str(if before.ends_with('\n') { "\n" } else { "\n\n" });
    }
    for (index, addition) in additions.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        // Writing to a String cannot fail.
        _ = write!(entries, "{gap}{}", addition.to_toml());
    }
    if before.contains("\r\n") { entries.replace('\n', "\r\n") } else { entries }
}

/// Writes the file whole or not at all, with the rights it had; a link stays one.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let rights = fs::metadata(&real).map(|metadata| metadata.permissions()).ok();
    output::replace(&real, rights, |out| out.write_all(text.as_bytes()))
}
