//! Every control, as the build script found it.

use ringfence_finding::ControlInfo;

use crate::control::Control;

/// One file of a family folder.
pub(crate) struct Entry {
    pub(crate) control: &'static Control,
    /// File name without its ending: the slug with underscores.
    #[cfg_attr(not(test), expect(dead_code, reason = "the walker test compares it with the slug"))]
    pub(crate) file: &'static str,
    pub(crate) manual: &'static str,
}

mod generated {
    use super::Entry;

    include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));
}

/// All controls, by id.
pub fn catalogue() -> Vec<&'static Control> {
    let mut all: Vec<_> = generated::ENTRIES.iter().map(|entry| entry.control).collect();
    all.sort_by_key(|control| control.meta.id);
    all
}

/// What a report needs to explain each of them, by id.
pub fn info() -> Vec<ControlInfo> {
    let mut all: Vec<_> = generated::ENTRIES
        .iter()
        .map(|entry| {
            let meta = &entry.control.meta;
            ControlInfo {
                id: meta.id,
                slug: meta.slug,
                title: meta.title,
                risk: meta.risk,
                severity: meta.severity,
                fix: meta.fix,
                references: meta.references,
                manual: entry.manual,
            }
        })
        .collect();
    all.sort_by_key(|info| info.id);
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Sections a manual page has, in this order.
    const SECTIONS: [&str; 7] = [
        "## What it sees",
        "## Why it matters for AI",
        "## Bad",
        "## Good",
        "## Fix and its side effects",
        "## When it is unknown",
        "## References",
    ];

    #[test]
    fn every_control_is_listed_once_documented_and_has_fixtures() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/controls");
        let mut ids = BTreeSet::new();
        let mut slugs = BTreeSet::new();
        for entry in generated::ENTRIES {
            let meta = &entry.control.meta;
            assert!(ids.insert(meta.id), "{} is listed twice", meta.id);
            assert_eq!(entry.file, meta.slug.replace('-', "_"), "file name and slug of {}", meta.id);
            assert!(slugs.insert(meta.slug), "{} is used twice", meta.slug);
            let mut from = 0;
            for section in SECTIONS {
                let at = entry.manual[from..].find(section);
                from += at.unwrap_or_else(|| panic!("{}: no `{section}` after the one before", meta.id));
            }
            assert!(!meta.references.is_empty(), "{} cites nothing", meta.id);
            for reference in meta.references {
                assert!(!reference.id.is_empty() && !reference.framework.is_empty(), "{}", meta.id);
            }
            for name in ["bad", "good"] {
                let file = fixtures.join(meta.slug).join(format!("{name}.yaml"));
                assert!(file.is_file(), "{} has no {}", meta.id, file.display());
            }
        }
        for folder in std::fs::read_dir(&fixtures).unwrap() {
            let name = folder.unwrap().file_name().into_string().unwrap();
            assert!(slugs.contains(name.as_str()), "fixtures/controls/{name} belongs to no control");
        }
    }
}
