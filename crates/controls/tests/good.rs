//! The good twins: what looks bad and is not, over all controls. This test holds the rate of false alarms.

mod support;

use ringfence_finding::Outcome;
use support::fixtures;
use support::judged;
use support::line;

#[test]
fn no_control_fails_on_a_good_fixture_of_any() {
    let mut failing = Vec::new();
    for (slug, text) in fixtures("good") {
        let open = judged(&text).into_iter().filter(|one| one.outcome != Outcome::Unknown);
        failing.extend(open.map(|one| format!("{slug}/good.yaml: {}", line(&one))));
    }
    assert!(failing.is_empty(), "{}", failing.join("\n"));
}

#[test]
fn a_bad_fixture_has_one_flaw_and_its_own_control_finds_it() {
    let mut wrong = Vec::new();
    for (slug, text) in fixtures("bad") {
        let own = support::control(slug).unwrap().meta.id;
        let findings = judged(&text);
        let open: Vec<_> = findings.iter().filter(|one| one.outcome != Outcome::Unknown).collect();
        if open.len() != 1 || open[0].control != own {
            wrong.push(format!("{slug}/bad.yaml is for {own}, found:\n{}", support::lines(&findings)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An unknown is its own result: the control says it, names the fact, and nothing else fails.
#[test]
fn an_unknown_fixture_is_unknown_to_its_own_control() {
    for (slug, text) in fixtures("unknown") {
        let own = support::control(slug).unwrap().meta.id;
        let findings = judged(&text);
        let shown = support::lines(&findings);
        assert!(findings.iter().all(|one| one.outcome == Outcome::Unknown), "{slug}/unknown.yaml:\n{shown}");
        assert!(findings.iter().any(|one| one.control == own), "{slug}/unknown.yaml:\n{shown}");
    }
}
