//! Files of SecurityDomains in, domains out; faults are printed with file and line, and end the command.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use ringfence_domain::SecurityDomain;
use ringfence_inventory::read_bounded_text;
use ringfence_inventory::read_named_text;
use ringfence_operator::read_manifest;

use crate::exit::Usage;
use crate::exit::Wrong;
use crate::exit::complain;

/// Nobody writes longer ones; an API server takes objects of 1.5 MiB.
const MAX_BYTES: u64 = 16 << 20;

/// Files of every command that reads domains.
#[derive(Args, Debug)]
pub(crate) struct Files {
    /// File with SecurityDomains, `-` for standard input; repeat it for several.
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Files {
    /// These files.
    pub(crate) fn of(files: Vec<PathBuf>) -> Self {
        Self { files }
    }

    /// All domains of all files.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<SecurityDomain>> {
        let mut domains: Vec<SecurityDomain> = Vec::new();
        let mut faults = 0;
        for file in &self.files {
            let name = called(file);
            let manifest = read_manifest(&text(file)?);
            for fault in &manifest.faults {
                complain(&format!("{name}:{fault}"));
            }
            faults += manifest.faults.len();
            if !manifest.others.is_empty() {
                complain(&format!("{name}: passed over, no SecurityDomain: {}", manifest.others.join(", ")));
            }
            for domain in manifest.domains {
                if domains.iter().any(|it| it.metadata.name == domain.metadata.name) {
                    let twice = domain.metadata.name.unwrap_or_default();
                    return Err(
                        Usage(format!("{name}: SecurityDomain {twice} stands in the files twice")).into()
                    );
                }
                // What stands there of a status is no record of what was written.
                domains.push(SecurityDomain { status: None, ..domain });
            }
        }
        if faults > 0 {
            let words = if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") };
            return Err(Usage(format!("{words} in the files above; nothing was done")).into());
        }
        if domains.is_empty() {
            let names: Vec<_> = self.files.iter().map(|file| called(file)).collect();
            let cure = "`ringfence domain init NAME -n NAMESPACE` prints one";
            return Err(Wrong::new(names.join(", "), format!("no SecurityDomain in it; {cure}")).into());
        }
        Ok(domains)
    }
}

/// The name of a file in messages.
fn called(file: &Path) -> String {
    if is_stdin(file) { "standard input".into() } else { file.display().to_string() }
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn text(file: &Path) -> anyhow::Result<String> {
    if is_stdin(file) {
        let read = read_bounded_text(std::io::stdin().lock(), MAX_BYTES);
        return Ok(read.map_err(|error| Wrong::new("standard input", error))?);
    }
    let read = read_named_text(file, MAX_BYTES);
    Ok(read.map_err(|error| Wrong::new(format!("cannot read {}", file.display()), error))?)
}
