//! Pods: each rule with a bad and a good twin, in every mode.

use std::time::Duration;

use ringfence_lab::ControlPlane;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::twins;
use crate::twins::Twin;
use crate::world::ENFORCED;
use crate::world::OBSERVED;
use crate::world::OUTSIDE;
use crate::world::WARNED;
use crate::world::operator;
use crate::world::try_create;
use crate::world::world;

const SECONDS: Duration = Duration::from_secs(20);

/// Every twin that is not as it should be.
fn wrong(twins: &[Twin], mut judge: impl FnMut(&Twin, [Value; 2]) -> Option<String>) {
    let wrong: Vec<_> =
        twins.iter().filter_map(|it| judge(it, it.pods()).map(|why| format!("{}: {why}", it.says))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refuses(lab: &ControlPlane, namespace: &str, twins: &[Twin]) {
    wrong(twins, |twin, [bad, good]| {
        let bad = try_create(lab, namespace, &bad);
        let said = bad.stderr();
        if bad.is_ok() || !said.contains(&format!("denied request: {}", twin.says)) {
            return Some(format!("the bad one: {said}"));
        }
        let good = try_create(lab, namespace, &good);
        (!good.is_ok() || good.stderr().contains("RF-")).then(|| format!("the good one: {}", good.stderr()))
    });
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn the_server_takes_every_expression() {
    let Some(lab) = world() else { return };
    let list = lab.kubectl(&["get", "validatingadmissionpolicies", "--output=json"]).ok();
    let list: Value = serde_json::from_str(&list).unwrap();
    let ours: Vec<_> = list["items"].as_array().unwrap().iter().collect();
    assert_eq!(ours.len(), 4);
    for policy in ours {
        assert_eq!(policy["status"]["observedGeneration"], 1, "{policy}");
        let warnings = &policy["status"]["typeChecking"]["expressionWarnings"];
        assert!(warnings.is_null(), "{}: {warnings:#}", policy["metadata"]["name"]);
    }
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn enforce_refuses_each_bad_twin_inside_with_its_reason_and_takes_the_good_one() {
    let Some(lab) = world() else { return };
    refuses(lab, ENFORCED, &twins::inside());
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn enforce_refuses_each_bad_twin_outside_and_takes_the_good_one() {
    let Some(lab) = world() else { return };
    refuses(lab, OUTSIDE, &twins::outside());
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn warn_takes_both_twins_and_says_why_the_bad_one_will_be_refused() {
    let Some(lab) = world() else { return };
    wrong(&twins::inside(), |twin, [bad, good]| {
        let bad = try_create(lab, WARNED, &bad);
        let warned = bad.stderr();
        if !bad.is_ok() || !warned.contains("Warning: ") || !warned.contains(twin.says) {
            return Some(format!("the bad one: {warned}"));
        }
        let good = try_create(lab, WARNED, &good);
        (!good.is_ok() || good.stderr().contains("RF-")).then(|| format!("the good one: {}", good.stderr()))
    });
}

/// What policies noted of the request that created a pod; `null` if nothing.
fn noted(lab: &ControlPlane, namespace: &str, pod: &Value) -> String {
    let mut audit = lab.audit();
    let done = try_create(lab, namespace, pod);
    assert!(done.is_ok() && !done.stderr().contains("RF-"), "{}", done.stderr());
    let event = audit.wait("the request", SECONDS, |event| {
        let request =
            event.verb() == "create" && event.resource() == "pods" && event.namespace() == namespace;
        request && event.raw()["stage"] == "ResponseComplete"
    });
    event.raw()["annotations"]["validation.policy.admission.k8s.io/validation_failure"].to_string()
}

#[test]
#[ignore = "needs lab tier 1b: reads the audit log"]
fn observe_takes_both_twins_without_a_word_and_notes_the_bad_one() {
    let Some(lab) = world() else { return };
    wrong(&twins::inside(), |twin, [bad, good]| {
        let [bad, good] = [bad, good].map(|it| noted(lab, OBSERVED, &it));
        (!bad.contains(twin.says) || good != "null").then(|| format!("{bad}; the good one: {good}"))
    });
}

#[test]
#[ignore = "needs lab tier 1b: reads the audit log"]
fn an_error_in_a_rule_refuses_in_enforce_only() {
    let Some(lab) = world() else { return };
    // A limit that is no number: nobody but the controller can write one.
    let [observed, warned, enforced] = ["observe", "warn", "enforce"].map(|mode| {
        let name = format!("broken-{mode}");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": name,
            "labels": {"ringfence.dev/domain": "broken", "ringfence.dev/mode": mode},
            "annotations": {"ringfence.dev/mountable": ",*,", "ringfence.dev/max-gpus-per-pod": "many"},
        }});
        lab.apply_as(&operator(), &namespace.to_string()).ok();
        until("account default", SECONDS, || {
            lab.kubectl(&["get", "sa", "default", "-n", &name]).is_ok().then_some(())
        });
        name
    });
    let pod = twins::pod(&json!({}), &json!({}));
    let refused = try_create(lab, &enforced, &pod).refused();
    assert!(refused.contains("type conversion error"), "{refused}");
    let said = try_create(lab, &warned, &pod);
    assert!(said.is_ok() && said.stderr().contains("type conversion error"), "{}", said.stderr());
    let noted = noted(lab, &observed, &pod);
    assert!(noted.contains("type conversion error"), "{noted}");
}
