//! docs/cli.md and the screen in README.md: written by `UPDATE=1`, compared otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

#[cfg(all(feature = "domain", feature = "signing"))]
use std::fmt::Write as _;

use support::run;

#[cfg(all(feature = "domain", feature = "signing"))]
#[test]
fn generated_cli_page_is_fresh() {
    let mut page =
        String::from("# Commands\n\nThe help texts of this build; `cargo xtask gen` writes this page.\n");
    for (command, help) in pages(String::new()) {
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let title = format!("ringfence {command}");
        let _ =
            write!(page, "\n## `{}`\n\n```text\n{}\n```\n", title.trim_end(), lines.join("\n").trim_end());
    }
    let file = support::root().join("docs/cli.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == page, "docs/cli.md is stale: run `cargo xtask gen`");
}

/// A command and all below it, each with its help.
#[cfg(all(feature = "domain", feature = "signing"))]
fn pages(command: String) -> Vec<(String, String)> {
    let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    let help = run(&words).ends(0).out;
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
    // What is set in deeper goes on with a description.
    let listed = listed.lines().filter_map(|it| it.strip_prefix("  ")).filter(|it| !it.starts_with(' '));
    let names = listed.filter_map(|it| it.split_whitespace().next());
    let below: Vec<_> = names.map(|name| format!("{command} {name}").trim().to_owned()).collect();
    std::iter::once((command, help)).chain(below.into_iter().flat_map(pages)).collect()
}

#[test]
fn generated_screen_of_the_readme_is_fresh() {
    let file = support::root().join("README.md");
    let readme = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = readme.split_once("$ ringfence scan demo/open\n").unwrap();
    let (shown, after) = rest.split_once("```").unwrap();
    let screen = run(&["scan", "demo/open"]).ends(1).out;
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, format!("{before}$ ringfence scan demo/open\n{screen}```{after}")).unwrap();
    }
    let is_fresh = without_duration(shown) == without_duration(&screen);
    assert!(is_fresh || std::env::var_os("UPDATE").is_some(), "README.md is stale: run `cargo xtask gen`");
}

fn without_duration(screen: &str) -> String {
    let (screen, seconds) = screen.trim_end().rsplit_once(", ").unwrap();
    assert!(seconds.ends_with(" s"), "{seconds}");
    screen.to_owned()
}
