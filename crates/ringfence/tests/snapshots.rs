//! What the user sees, through the real binary: the guide's own examples, and the closed platform.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use support::run;

/// A screen with its duration taken out.
fn screen(arguments: &[&str], code: i32) -> String {
    let out = run(arguments).ends(code).out;
    let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
    if let Some(last) = lines.last_mut()
        && let Some((before, seconds)) = last.rsplit_once(", ")
        && seconds.ends_with(" s")
    {
        *last = format!("{before}, @@TIME@@ s");
    }
    lines.join("\n")
}

#[test]
fn the_guides_examples_on_one_screen() {
    insta::assert_snapshot!(screen(&["scan", "fixtures/guide"], 1));
}

#[test]
fn the_guides_examples_line_by_line() {
    insta::assert_snapshot!(screen(&["scan", "fixtures/guide", "--format", "concise"], 1));
}

#[test]
fn a_finding_with_its_lines_and_everything_looked_at() {
    insta::assert_snapshot!(screen(&["scan", "fixtures/guide", "-v", "--only", "RF-NET-006,RF-MOD-002"], 1));
}

#[test]
fn a_closed_door() {
    insta::assert_snapshot!(screen(&["scan", "demo/closed"], 0));
}

#[test]
fn one_quiet_line() {
    insta::assert_snapshot!(screen(&["scan", "demo/closed", "-q"], 0));
}
