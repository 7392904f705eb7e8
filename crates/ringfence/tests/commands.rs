//! explain, controls list, completion, version, and the binary as a kubectl plugin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a wrong assumption must end the test"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use support::Folder;
use support::run;

#[test]
fn every_listed_control_explains_itself() {
    let list = run(&["controls", "list", "--format", "json"]).ends(0).json();
    let controls = list.as_array().or_else(|| list["controls"].as_array()).unwrap();
    let families: BTreeSet<&str> =
        controls.iter().map(|one| one["id"].as_str().unwrap().split('-').nth(1).unwrap()).collect();
    for family in &families {
        let of_family =
            controls.iter().filter(|one| one["id"].as_str().unwrap().contains(&format!("-{family}-")));
        assert!(of_family.count() >= 2, "{family}");
    }
    assert_eq!(families.len(), 8);
    for control in controls {
        let id = control["id"].as_str().unwrap();
        let page = run(&["explain", id]).ends(0).out;
        for section in
            ["what it sees", "why it matters for ai", "bad", "good", "fix and its side effects", "references"]
        {
            assert!(page.to_lowercase().contains(section), "{id}: no {section}");
        }
        let by_slug = run(&["explain", control["slug"].as_str().unwrap()]).ends(0).out;
        assert_eq!(page, by_slug);
    }
}

/// What `model scan` prints is no control, and is explained all the same.
#[cfg(feature = "models")]
#[test]
fn every_class_of_threats_in_models_explains_itself() {
    let page = std::fs::read_to_string(support::root().join("docs/models.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter_map(|row| Some(row.strip_prefix("| RF-MOD-")?.trim_end_matches(" |").split(" | ").collect()))
        .collect();
    assert!(rows.len() > 15, "{rows:?}");
    for row in rows {
        let [number, name, why] = row[..] else { panic!("{row:?}") };
        let page = run(&["explain", &format!("RF-MOD-{number}")]).ends(0).out;
        let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [format!("RF-MOD-{number} {name} "), format!("What can happen: {why}.")] {
            assert!(words.contains(&part), "no `{part}` in {words}");
        }
        assert_eq!(run(&["explain", name]).ends(0).out, page);
        let json = run(&["explain", &format!("mod-{number}"), "--format", "json"]).ends(0).json();
        assert_eq!(json["threats"][0]["why"], why);
    }
    let list = run(&["controls", "list"]).ends(0).out;
    assert!(!list.contains("RF-MOD-101"), "it is no control");
    assert_eq!(run(&["explain", "RF-MOD-999"]).code, 2);
    let near = run(&["explain", "RF-GPU-999"]);
    let words = "no control `RF-GPU-999` in this build (did you mean RF-GPU-001?); all of them: ringfence controls list";
    assert_eq!((near.code, near.err), (2, format!("error: {words}\n")));
}

/// A denial, a condition of a status and a purpose in a plan name the controls of a scan: who meets an id anywhere can
/// ask for its page.
#[test]
fn every_id_that_a_domain_names_explains_itself() {
    let mut named = BTreeSet::new();
    for folder in ["crates/domain/src", "crates/operator/src"] {
        sources(&support::root().join(folder), &mut |text| named.extend(ids(text).map(str::to_owned)));
    }
    assert!(named.contains("RF-GPU-002") && named.len() > 20, "{named:?}");
    let list = run(&["controls", "list", "--format", "json"]).ends(0).out;
    let unknown: Vec<_> = named.iter().filter(|id| !list.contains(&format!("\"{id}\""))).collect();
    assert!(unknown.is_empty(), "in no scan: {unknown:?}");
}

fn sources(folder: &Path, read: &mut dyn FnMut(&str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, read);
        } else {
            read(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// `RF-GPU-007` and its like.
fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("RF-").filter_map(|(at, _)| {
        let rest = text.get(at..)?;
        let end = rest.get(3..)?.find('-')?.checked_add(7)?;
        let id = rest.get(..end)?;
        id.get(end - 3..)?.bytes().all(|byte| byte.is_ascii_digit()).then_some(id)
    })
}

#[test]
fn completion_scripts_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completion", shell]).ends(0).out;
        for word in ["scan", "explain", "controls", "fail-on"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn the_bash_completion_is_bash() {
    let folder = Folder::new("completion");
    let script = folder.write("ringfence.bash", run(&["completion", "bash"]).ends(0).out);
    let status = Command::new("bash").args(["-n", &script]).status().unwrap();
    assert!(status.success());
}

#[test]
fn version_says_what_this_build_is() {
    let text = run(&["version"]).ends(0).out;
    assert!(text.starts_with("ringfence ") && text.contains("prices of 20"), "{text}");
    let json = run(&["version", "--format", "json"]).ends(0).json();
    let list = run(&["controls", "list", "--format", "json"]).ends(0).json();
    let listed = list.as_array().or_else(|| list["controls"].as_array()).unwrap().len();
    assert_eq!(json["controls"], listed);
    assert!(text.contains(&format!("{listed} controls")), "{text}");
    assert_eq!(
        run(&["--version"]).ends(0).out.trim(),
        format!("ringfence {}", json["version"].as_str().unwrap())
    );
}

#[test]
fn as_a_plugin_it_speaks_of_kubectl() {
    let folder = Folder::new("plugin");
    let plugin = format!("{}/kubectl-ringfence", folder.path());
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ringfence"), &plugin).unwrap();
    let output = Command::new(&plugin).args(["scan", "--help"]).env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(help.contains("kubectl ringfence scan"), "{help}");
    let output =
        Command::new(&plugin).args(["scan", "demo/closed"]).current_dir(support::root()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(screen.contains("Next  kubectl ringfence scan demo/closed -v\n"), "{screen}");
}

#[test]
fn every_command_the_readme_shows_exists() {
    let readme = std::fs::read_to_string(support::root().join("README.md")).unwrap();
    let mut seen = 0;
    for line in readme.lines() {
        let Some((_, call)) = line.split_once("ringfence ") else { continue };
        let known = ["scan", "explain", "controls"];
        let Some(verb) = known.into_iter().find(|verb| call.starts_with(&format!("{verb} "))) else {
            continue;
        };
        let flags = call.split('#').next().unwrap().split('`').next().unwrap();
        let help =
            run(&if verb == "controls" { vec!["controls", "list", "--help"] } else { vec![verb, "--help"] })
                .out;
        for flag in flags.split_whitespace().filter(|word| word.starts_with('-') && word.len() > 1) {
            assert!(help.contains(flag), "{verb} has no {flag}: {line}");
        }
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}
