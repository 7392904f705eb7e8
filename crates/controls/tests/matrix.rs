//! Every pod control on every shape a pod can hide in: the flaw is found once, by its own control, and no other control
//! says anything new.

mod support;

use std::collections::BTreeMap;

use ringfence_controls::Check;
use ringfence_controls::catalogue;
use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use support::counted;
use support::identity;
use support::judged;
use support::lines;

/// Core kinds, custom resources of the table, one built by shape (a kind nobody knows).
const BASES: [&str; 7] =
    ["pod", "deployment", "cronjob", "raycluster", "pytorchjob", "inferenceservice", "invented"];

#[test]
fn every_pod_control_finds_its_flaw_once_in_every_kind() {
    let clean: BTreeMap<&str, Vec<Finding>> =
        BASES.into_iter().map(|base| (base, judged(&ringfence_fixture::base(base)))).collect();
    let mut wrong = Vec::new();
    let mut cells = 0;
    for control in catalogue() {
        let Check::Pod(..) = control.check else { continue };
        for base in BASES {
            let Some(text) = ringfence_fixture::control_on(control.meta.slug, "bad", base) else {
                continue;
            };
            cells += 1;
            let findings = judged(&text);
            let mut before = counted(&clean[base]);
            let new: Vec<Finding> = findings
                .into_iter()
                .filter(|finding| match before.get_mut(&identity(finding)) {
                    Some(left) if *left > 0 => {
                        *left -= 1;
                        false
                    }
                    _ => true,
                })
                .collect();
            let is_one = new.len() == 1
                && new[0].control == control.meta.id
                && new[0].outcome == Outcome::Fail
                && new[0].severity == control.meta.severity;
            if !is_one {
                let slug = control.meta.slug;
                wrong.push(format!("{slug} on {base} is not one new finding:\n{}", lines(&new)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cells >= 5 * BASES.len(), "only {cells} cells: are the fixtures still written with `in: pod`?");
}

/// A fixture of a pod control edits the pod, so that it moves; `only` in it names the kinds when the flaw is bound to
/// some. Editing `Deployment/model` would silently empty a row of the matrix.
#[test]
fn bad_fixtures_of_pod_controls_are_written_for_any_base() {
    let all = ringfence_fixture::bases();
    let moves =
        |slug: &str| all.iter().any(|base| ringfence_fixture::control_on(slug, "bad", base).is_some());
    let pod_controls = catalogue().into_iter().filter(|control| matches!(control.check, Check::Pod(..)));
    let fixed: Vec<&str> =
        pod_controls.map(|control| control.meta.slug).filter(|slug| !moves(slug)).collect();
    assert!(fixed.is_empty(), "write these with `in: pod` or `in: container`: {fixed:?}");
}
