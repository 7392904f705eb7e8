//! The manual under docs/: one page per control and an index, written by `UPDATE=1`, compared otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::path::PathBuf;

use ringfence_finding::Family;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// Every generated file by its name below docs/.
fn pages() -> BTreeMap<String, String> {
    let controls = ringfence_controls::info();
    let mut pages = BTreeMap::new();
    let mut index = String::from(
        "# Controls\n\nGenerated from the doc comments of `crates/controls/src`; `cargo xtask gen` writes it. `ringfence explain CODE` prints the same pages.\n",
    );
    for family in Family::ALL {
        let head = "| id | severity | fix | what is wrong |\n|---|---|---|---|\n";
        let _ = write!(index, "\n## {family}: {}\n\n{head}", family.title());
        for control in controls.iter().filter(|control| control.id.family == family) {
            let (id, slug, severity, title) = (control.id, control.slug, control.severity, control.title);
            let fix = control.fix.as_str();
            let _ = writeln!(index, "| [{id} {slug}](controls/{id}.md) | {severity} | {fix} | {title} |");
            let page = format!(
                "# {id} {slug}\n\n{title}\n\n*Severity {severity}, fix {fix}. Risk: {}.*\n\n{}\n",
                control.risk, control.manual
            );
            pages.insert(format!("controls/{id}.md"), page);
        }
    }
    pages.insert("controls.md".to_owned(), index);
    pages
}

#[test]
fn generated_manual_is_fresh() {
    let pages = pages();
    let folder = folder();
    if std::env::var_os("UPDATE").is_some() {
        let _ = std::fs::remove_dir_all(folder.join("controls"));
        std::fs::create_dir_all(folder.join("controls")).unwrap();
        for (name, text) in &pages {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    for (name, text) in &pages {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(committed == *text, "docs/{name} is stale: run `cargo xtask gen`");
    }
    for file in std::fs::read_dir(folder.join("controls")).unwrap() {
        let name = format!("controls/{}", file.unwrap().file_name().to_string_lossy());
        assert!(pages.contains_key(&name), "docs/{name} belongs to no control: run `cargo xtask gen`");
    }
}
