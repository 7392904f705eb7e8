//! Pods: each rule with a bad and a good twin, in every mode.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Patch;
use kube::api::PatchParams;
use ringfence_lab::ControlPlane;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::twins;
use crate::twins::Twin;
use crate::world::Calls;
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
    assert_eq!(ours.len(), 5);
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

/// A namespace of a domain, as the controller would write it.
fn fresh(lab: &ControlPlane, name: &str, mode: &str, notes: &Value) -> String {
    let labels = json!({"ringfence.dev/domain": name, "ringfence.dev/mode": mode});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "annotations": notes}});
    lab.apply_as(&operator(), &namespace.to_string()).ok();
    until("account default", SECONDS, || {
        lab.kubectl(&["get", "sa", "default", "-n", name]).is_ok().then_some(())
    });
    name.to_owned()
}

#[test]
#[ignore = "needs lab tier 1b: reads the audit log"]
fn an_error_in_a_rule_refuses_in_enforce_only() {
    let Some(lab) = world() else { return };
    // A limit that is no number: nobody but the controller can write one.
    let notes = json!({"ringfence.dev/mountable": ",*,", "ringfence.dev/max-gpus-per-pod": "many"});
    let [observed, warned, enforced] =
        ["observe", "warn", "enforce"].map(|mode| fresh(lab, &format!("broken-{mode}"), mode, &notes));
    let pod = twins::pod(&json!({}), &json!({}));
    let refused = try_create(lab, &enforced, &pod).refused();
    assert!(refused.contains("type conversion error"), "{refused}");
    let said = try_create(lab, &warned, &pod);
    assert!(said.is_ok() && said.stderr().contains("type conversion error"), "{}", said.stderr());
    let noted = noted(lab, &observed, &pod);
    assert!(noted.contains("type conversion error"), "{noted}");
}

#[test]
#[ignore = "needs lab tier 1b: reads the audit log"]
fn the_audit_log_holds_the_first_reason_and_a_warning_holds_all() {
    let Some(lab) = world() else { return };
    let pod = twins::pod(&json!({"hostPID": true, "hostIPC": true}), &json!({}));
    let first =
        noted(lab, &fresh(lab, "two-reasons", "observe", &json!({"ringfence.dev/mountable": ",*,"})), &pod);
    assert!(first.contains("RF-RUN-010") && !first.contains("RF-DATA-009"), "{first}");
    let warned = try_create(lab, WARNED, &pod).stderr();
    assert!(warned.contains("RF-RUN-010") && warned.contains("RF-DATA-009"), "{warned}");
}

/// Far more of everything than a pod has: 40 containers that each read 25 variables from Secrets, and 100 volumes.
#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_huge_pod_stays_below_the_cost_limit() {
    let Some(lab) = world() else { return };
    let variables: Vec<_> = (0..25)
        .map(|number| {
            let reference = json!({"secretKeyRef": {"name": "hf", "key": "k"}});
            json!({"name": format!("K{number}"), "valueFrom": reference})
        })
        .collect();
    let volumes: Vec<_> = (0..100)
        .map(|number| json!({"name": format!("v{number}"), "secret": {"secretName": "hf"}}))
        .collect();
    let containers: Vec<_> = (0..40)
        .map(|number| {
            let mounts = (0..20).map(|at| json!({"name": format!("v{at}"), "mountPath": format!("/v/{at}")}));
            json!({"name": format!("c{number}"), "image": "it", "env": variables,
                "volumeMounts": mounts.collect::<Vec<_>>(),
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}})
        })
        .collect();
    let mut huge = twins::pod(&json!({"volumes": volumes}), &json!({}));
    huge["spec"]["containers"] = json!(containers);
    let done = try_create(lab, ENFORCED, &huge);
    assert!(done.is_ok(), "{}", done.stderr());
    // And the last container is judged as the first.
    huge["spec"]["containers"][39]["env"][24]["valueFrom"]["secretKeyRef"]["name"] = json!("db");
    let refused = try_create(lab, ENFORCED, &huge).refused();
    assert!(refused.contains("RF-RBAC-003 env"), "{refused}");
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn what_enforce_will_fill_in_is_not_missed_before() {
    let Some(lab) = world() else { return };
    let notes =
        |limits: &str| json!({"ringfence.dev/mountable": ",*,", "ringfence.dev/default-limits": limits});
    let mut pod = twins::pod(&json!({"automountServiceAccountToken": null}), &json!({}));
    pod["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "1"}});
    let both = fresh(lab, "filled-both", "warn", &notes(",cpu,memory,"));
    assert_eq!(try_create(lab, &both, &pod).stderr(), "");
    let half = fresh(lab, "filled-half", "warn", &notes(",cpu,"));
    let said = try_create(lab, &half, &pod).stderr();
    assert!(said.contains("RF-RUN-002") && !said.contains("RF-RBAC-008"), "{said}");
    // In Enforce it is there, or it is missing.
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    let enforced = fresh(lab, "filled-enforced", "enforce", &notes(",cpu,memory,"));
    let refused = try_create(lab, &enforced, &pod).refused();
    assert!(refused.contains("RF-RUN-002"), "{refused}");
}

#[test]
#[ignore = "needs lab tier 1b: attaches debuggers"]
fn a_debugger_is_judged_as_a_container() {
    let Some(lab) = world() else { return };
    let mut pod = twins::pod(&json!({}), &json!({}));
    pod["metadata"]["name"] = json!("debugged");
    lab.create_in(ENFORCED, &pod, &[]).ok();
    let attach = |fields: Value| {
        let mut debugger = json!({"name": "debug", "image": "busybox"});
        twins::merge(&mut debugger, &fields);
        let patch = json!({"spec": {"ephemeralContainers": [debugger]}});
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let pods: Api<Pod> = Api::namespaced(lab.client().await, ENFORCED);
            let dry = PatchParams { dry_run: true, ..PatchParams::default() };
            let patch = Patch::Strategic(patch);
            pods.patch_subresource("ephemeralcontainers", "debugged", &dry, &patch).await.map(|_| ())
        })
    };
    attach(json!({})).unwrap();
    for (fields, control) in [
        (json!({"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}), "RF-GPU-022"),
        (json!({"securityContext": {"privileged": true}}), "RF-RUN-001"),
        (json!({"envFrom": [{"secretRef": {"name": "db"}}]}), "RF-RBAC-003"),
    ] {
        let refused = attach(fields).unwrap_err().to_string();
        assert!(refused.contains(control), "{refused}");
    }
    lab.kubectl(&["delete", "pod", "debugged", "-n", ENFORCED, "--wait=false"]).ok();
}
