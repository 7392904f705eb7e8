//! The hardened bases: nothing to find in any of them, by any control, and nothing that could not be read. Every bad
//! fixture is one of them plus one flaw.

mod support;

use ringfence_finding::Outcome;
use ringfence_finding::Reason;
use ringfence_inventory::Inventory;
use support::judged;
use support::line;
use support::with;

#[test]
fn no_control_fails_on_a_hardened_base() {
    let failing: Vec<String> = ringfence_fixture::bases()
        .iter()
        .flat_map(|base| {
            let findings = judged(&ringfence_fixture::base(base));
            let open: Vec<String> =
                findings.iter().filter(|one| one.outcome != Outcome::Unknown).map(line).collect();
            open.into_iter().map(move |line| format!("{base}: {line}"))
        })
        .collect();
    assert!(failing.is_empty(), "{}", failing.join("\n"));
}

/// A whole kind of facts that a base does not hold (nodes) is honest; a target that could not be judged would be a hole
/// in the base.
#[test]
fn unknown_on_a_base_is_about_facts_of_the_cluster_only() {
    let holes: Vec<String> = ringfence_fixture::bases()
        .iter()
        .flat_map(|base| {
            let findings = judged(&ringfence_fixture::base(base));
            let about_targets = with(&findings, Outcome::Unknown).into_iter();
            let about_targets: Vec<String> =
                about_targets.filter(|one| one.resource.is_some()).map(line).collect();
            about_targets.into_iter().map(move |line| format!("{base}: {line}"))
        })
        .collect();
    assert!(holes.is_empty(), "{}", holes.join("\n"));
}

#[test]
fn every_base_is_read_completely_and_holds_a_workload() {
    let bases = ringfence_fixture::bases();
    assert!(bases.len() >= 16, "{bases:?}");
    for base in bases {
        let inventory = Inventory::from_text(&ringfence_fixture::base(&base));
        let coverage = &inventory.coverage;
        assert_eq!(coverage.documents.found, coverage.documents.parsed, "{base}");
        let blind: Vec<_> = coverage.blind.iter().filter(|one| one.reason != Reason::Assumption).collect();
        assert!(blind.is_empty(), "{base}: {blind:?}");
        assert!(inventory.pods().len() > 0, "{base} starts no pod");
    }
}
