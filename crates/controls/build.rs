//! Collects the control files of the family folders into modules, catalogue and manual, so that no list is kept by
//! hand: one `pub const CONTROL: Control` per file, its doc comment is its manual page.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Folders in the order of the guide.
const FAMILIES: [&str; 8] = ["gpu", "network", "secret", "model", "rbac", "data", "runtime", "agent"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("src");
    let mut modules = String::new();
    let mut rows = String::new();
    for family in FAMILIES {
        let folder = root.join(family);
        watch(&folder);
        writeln!(modules, "/// Controls of the family folder `{family}`.\npub(crate) mod {family} {{")?;
        let mut files: Vec<PathBuf> =
            fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Box<dyn Error>>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
        files.sort();
        for file in files {
            watch(&file);
            let name =
                file.file_stem().and_then(|stem| stem.to_str()).ok_or("a control file without a name")?;
            let manual = manual(&fs::read_to_string(&file)?)
                .ok_or_else(|| format!("{}: no documented `pub const CONTROL`", file.display()))?;
            let path = file.to_str().ok_or("a path that is not UTF-8")?;
            writeln!(modules, "    #[path = {path:?}]\n    pub(crate) mod {name};")?;
            writeln!(
                rows,
                "    Entry {{ control: &{family}::{name}::CONTROL, file: {name:?}, manual: {manual:?} }},"
            )?;
        }
        writeln!(modules, "}}")?;
    }
    let catalogue =
        format!("{modules}\n/// Every control once.\npub(crate) static ENTRIES: &[Entry] = &[\n{rows}];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("catalogue.rs"), catalogue)?;
    Ok(())
}

/// Rebuilds when a file changes, or comes and goes.
fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

/// The doc comment right above the constant.
fn manual(source: &str) -> Option<String> {
    let mut page = Vec::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            page.push(text.strip_prefix(' ').unwrap_or(text));
        } else if line.starts_with("pub const CONTROL: Control")
            || line.starts_with("pub(crate) const CONTROL: Control")
        {
            return (!page.is_empty()).then(|| page.join("\n"));
        } else {
            page.clear();
        }
    }
    None
}
