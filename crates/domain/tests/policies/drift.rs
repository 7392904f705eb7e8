//! A policy that was written is no drift, and one that somebody narrowed is.

use ringfence_domain::DesiredObject;
use ringfence_domain::Drift;
use ringfence_domain::Rank;
use ringfence_domain::compare;
use ringfence_lab::ControlPlane;

use crate::world::wanted;
use crate::world::world;

fn policies() -> Vec<DesiredObject> {
    wanted().objects.into_iter().filter(|it| it.id.rank >= Rank::Policy).collect()
}

/// What differs in what kubectl printed.
fn differs(want: &DesiredObject, printed: &str) -> Vec<Drift> {
    compare(want, &serde_json::from_str(printed).unwrap())
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn what_was_written_does_not_differ() {
    let Some(lab) = world() else { return };
    assert_eq!(policies().len(), 8 + 15);
    for want in policies() {
        let live = lab.kubectl(&["get", &want.resource, &want.id.name, "--output=json"]).ok();
        assert_eq!(differs(&want, &live), [], "{}", want.id);
    }
}

/// What differs after a patch, which is not kept.
fn narrowed(lab: &ControlPlane, name: &str, patch: &str) -> Vec<Drift> {
    let want = policies().into_iter().find(|it| it.id.name.starts_with(name)).unwrap();
    let flags = ["--type=json", "--dry-run=server", "--output=json", "--patch", patch];
    let mut arguments = vec!["patch", &want.resource, &want.id.name];
    arguments.extend(flags);
    differs(&want, &lab.kubectl(&arguments).ok())
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn each_way_to_narrow_a_policy_differs() {
    let Some(lab) = world() else { return };
    let condition = r#"[{"op": "add", "path": "/spec/matchConditions/-", "value": {"name": "off", "expression": "false"}}]"#;
    let selector = |at: &str| {
        format!(
            r#"[{{"op": "add", "path": "{at}/objectSelector", "value": {{"matchLabels": {{"fenced": "no"}}}}}}]"#
        )
    };
    let exclude = r#"[{"op": "add", "path": "/spec/matchConstraints/excludeResourceRules", "value":
        [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}]}]"#;
    let audit = r#"[{"op": "replace", "path": "/spec/validationActions", "value": ["Audit"]}]"#;
    for (name, patch) in [
        ("ringfence-pods-inside-", condition),
        ("ringfence-pods-inside-", exclude),
        ("ringfence-network-", &selector("/spec/matchConstraints")),
        ("ringfence-labels-", r#"[{"op": "replace", "path": "/spec/failurePolicy", "value": "Ignore"}]"#),
        ("ringfence-pod-defaults-", condition),
    ] {
        assert_eq!(narrowed(lab, name, patch).len(), 1, "{name} {patch}");
    }
    let binding = policies().into_iter().find(|it| it.id.name == "ringfence-pods-inside-enforce").unwrap();
    for patch in [audit, &selector("/spec/matchResources")] {
        let arguments = [
            "patch",
            &binding.resource,
            &binding.id.name,
            "--type=json",
            "--dry-run=server",
            "--output=json",
        ];
        let mut arguments = arguments.to_vec();
        arguments.extend(["--patch", patch]);
        assert!(!differs(&binding, &lab.kubectl(&arguments).ok()).is_empty(), "{patch}");
    }
}
