//! Others in the same cluster: a second domain, somebody who does not give in, a missing right, a second controller.

use std::time::Duration;

use ringfence_lab::Identity;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::config;
use crate::ground::get;
use crate::ground::identity;
use crate::ground::soon;
use crate::ground::told;
use crate::ground::turn;
use crate::lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts"]
async fn the_older_of_two_domains_keeps_the_namespace_and_a_broken_spec_keeps_its_last_state() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("two");
    let name = namespace.name();
    let running = Running::start(lab, "controller-two").await;
    let older = Domain::new(lab, name, "Enforce", &json!({"quota": {"pods": 5}}));
    older.settled();
    let mine = lab.namespace("two-own");
    let both = json!({"namespaces": {"names": [name, mine.name()]}});
    let younger = Domain::new(lab, mine.name(), "Observe", &both);
    let conflict = younger.wait("Conflict", "True");
    assert!(
        conflict["message"].as_str().unwrap().contains(&format!("belongs to domain {name}")),
        "{conflict}"
    );
    assert_eq!(younger.wait("Ready", "False")["reason"], "Conflict");
    let label = |namespace: &str| {
        let found = get(lab, &["namespace", namespace]).unwrap();
        found["metadata"]["labels"]["ringfence.dev/domain"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(label(name), name);
    assert_eq!(label(mine.name()), mine.name(), "the rest of it is in place");

    // What no schema can see: nothing is written, nothing is removed.
    older.patch(&json!({"spec": {"quota": null, "network": {"internalCIDRs": ["8.8.8.0/24"]}}}));
    let ready = older.wait("Ready", "False");
    assert_eq!(ready["reason"], "InvalidSpec", "{ready}");
    let message = ready["message"].as_str().unwrap();
    assert!(
        message.contains("spec.network.internalCIDRs[8.8.8.0/24]") && message.contains("Fix:"),
        "{message}"
    );
    assert!(get(lab, &["-n", name, "quota/rf-quota"]).is_some());
    assert_eq!(label(name), name);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts"]
async fn who_does_not_give_in_is_named_and_no_longer_fought() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("contest");
    let name = namespace.name();
    let running = Running::start(lab, "controller-contest").await;
    let domain = Domain::new(lab, name, "Enforce", &json!({"quota": {"pods": 5}}));
    domain.settled();
    let pods = |object: &Value| object["spec"]["hard"]["pods"].as_str().unwrap_or_default().to_owned();
    for round in 0..5 {
        let change = json!({"spec": {"hard": {"pods": (100 + round).to_string()}}}).to_string();
        let patch = [
            "-n",
            name,
            "patch",
            "quota",
            "rf-quota",
            "--type=merge",
            "--field-manager=stubborn",
            "-p",
            &change,
        ];
        lab.kubectl_as(&identity("controller-contest"), &patch).ok();
        soon(lab, &["-n", name, "quota/rf-quota"], |it| pods(it) == "5");
    }
    let change = json!({"spec": {"hard": {"pods": "200"}}}).to_string();
    let patch =
        ["-n", name, "patch", "quota", "rf-quota", "--type=merge", "--field-manager=stubborn", "-p", &change];
    lab.kubectl_as(&identity("controller-contest"), &patch).ok();
    let contested = domain.wait("DriftContested", "True");
    let message = contested["message"].as_str().unwrap();
    assert!(message.contains(&format!("ResourceQuota {name}/rf-quota (stubborn)")), "{message}");
    assert_eq!(domain.wait("Ready", "False")["reason"], "DriftContested");
    assert_eq!(pods(&get(lab, &["-n", name, "quota/rf-quota"]).unwrap()), "200");

    // An edit of the spec is a new word.
    domain.patch(&json!({"spec": {"quota": {"pods": 6}}}));
    soon(lab, &["-n", name, "quota/rf-quota"], |it| pods(it) == "6");
    domain.wait("DriftContested", "False");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: policies of a real API server"]
async fn policies_that_somebody_takes_away_come_back_and_a_fight_for_them_is_told() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("unbound");
    let running = Running::start(lab, "controller-unbound").await;
    let domain = Domain::new(lab, namespace.name(), "Enforce", &json!({}));
    domain.settled();
    let binding = "validatingadmissionpolicybinding/ringfence-pods-inside-enforce";
    let bound = get(lab, &[binding]).unwrap();
    let policy = format!("validatingadmissionpolicy/{}", bound["spec"]["policyName"].as_str().unwrap());
    let uid = |object: &Value| object["metadata"]["uid"].clone();
    let policy_before = uid(&get(lab, &[&policy]).unwrap());
    let take = |what: &str| lab.kubectl(&["delete", what, "--wait=false"]).ok();
    take(&policy);
    soon(lab, &[&policy], |it| uid(it) != policy_before);
    domain.settled();

    // No admission policy guards bindings: whoever may, takes them away.
    for _ in 0..6 {
        let before = uid(&soon(lab, &[binding], |it| it["metadata"]["deletionTimestamp"].is_null()));
        take(binding);
        let is_back = || get(lab, &[binding]).filter(|it| uid(it) != before).map(|_| true);
        let is_left = || {
            let conditions = domain.get()?["status"]["conditions"].clone();
            conditions.as_array()?.iter().any(|it| it["reason"] == "Contested").then_some(false)
        };
        if !until("it is back, or no longer fought for", SOON, || is_back().or_else(is_left)) {
            break;
        }
    }
    let contested = domain.wait("DriftContested", "True");
    assert!(contested["message"].as_str().unwrap().contains("ringfence-pods-inside-enforce"), "{contested}");
    assert_eq!(domain.wait("Ready", "False")["reason"], "DriftContested");
    running.end().await;
}

/// Everything but the right to write RoleBindings.
const RIGHTS: &str = "
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: t-less}, rules: [
 {apiGroups: ['*'], resources: ['*'], verbs: [get, list, watch]},
 {apiGroups: [''], resources: ['*'], verbs: [create, patch, update, delete]},
 {apiGroups: [networking.k8s.io, ringfence.dev, coordination.k8s.io, events.k8s.io, authentication.k8s.io,
  admissionregistration.k8s.io], resources: ['*'], verbs: [create, patch, update, delete]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: t-less}, subjects:
 [{kind: User, name: controller-less, apiGroup: rbac.authorization.k8s.io}], roleRef:
 {kind: ClusterRole, name: t-less, apiGroup: rbac.authorization.k8s.io}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: acts with fewer rights"]
async fn a_missing_right_is_named_with_its_verb_and_the_rest_goes_on() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    lab.apply(RIGHTS).ok();
    let namespace = lab.namespace("less");
    let name = namespace.name();
    let less = Identity::human("controller-less", &[]);
    let running = Running::with(lab.client_as(&less).await, config("less"));
    let roles = json!([{"preset": "ml-viewer", "subjects": [{"kind": "Group", "name": "data"}]}]);
    let domain =
        Domain::new(lab, name, "Enforce", &json!({"quota": {"pods": 5}, "access": {"roles": roles}}));
    // Until the policies know the new controller by its name, they refuse more than this.
    let wanted = [
        format!("RoleBinding {name}/rf-ml-viewer"),
        "no right to patch rolebindings.rbac.authorization.k8s.io".to_owned(),
    ];
    until("the missing right is named", SOON, || {
        let ready = domain.condition("Ready").filter(|it| it["reason"] == "WriteFailed")?;
        let message = ready["message"].as_str()?.to_owned();
        wanted.iter().all(|it| message.contains(it)).then_some(())
    });
    for kind in ["networkpolicy/rf-default-deny", "quota/rf-quota"] {
        until(kind, SOON, || get(lab, &["-n", name, kind]));
    }
    running.end().await;
    lab.kubectl(&["delete", "clusterrole,clusterrolebinding", "t-less"]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts"]
async fn of_two_controllers_one_writes_and_the_other_follows() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("pair");
    let name = namespace.name();
    let mut audit = lab.audit();
    let first = Running::start(lab, "controller-a").await;
    let holder = || {
        let lease = get(lab, &["-n", "default", "lease/ringfence-controller"])?;
        lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
    };
    until("a leads", SOON, || holder().filter(|it| it == "controller-a"));
    let second = Running::start(lab, "controller-b").await;
    let domain = Domain::new(lab, name, "Enforce", &json!({}));
    domain.settled();
    let writes = |audit: &mut ringfence_lab::AuditTail, user: &str| {
        let events = audit.of_user(user);
        let reads = ["get", "list", "watch"];
        let besides = ["leases", "selfsubjectreviews"];
        events
            .iter()
            .filter(|it| !reads.contains(&it.verb()) && !besides.contains(&it.resource().as_str()))
            .count()
    };
    assert!(writes(&mut audit, "controller-a") > 0);
    assert_eq!(writes(&mut audit, "controller-b"), 0);

    // Killed, not ended: the lease is not given up.
    drop(first);
    until("b leads", Duration::from_secs(30), || holder().filter(|it| it == "controller-b"));
    domain.patch(&json!({"spec": {"quota": {"pods": 3}}}));
    soon(lab, &["-n", name, "quota/rf-quota"], |it| it["spec"]["hard"]["pods"] == "3");
    second.end().await;
    until("the lease is given up", SOON, || holder().is_none_or(|it| it.is_empty()).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: namespaces"]
async fn labels_that_somebody_plants_go_with_a_word_and_a_fight_for_them_is_told() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let (inside, stray) = (lab.namespace("planting"), lab.namespace("planting-stray"));
    let (name, stray) = (inside.name(), stray.name());
    let running = Running::start(lab, "controller-planting").await;
    // Nobody refuses in Observe.
    let domain = Domain::new(lab, name, "Observe", &json!({}));
    domain.settled();
    lab.kubectl(&["annotate", "namespace", stray, "ringfence.dev/except.team=a reason of theirs"]).ok();
    let label = format!("ringfence.dev/domain={name}");
    let plant = || lab.kubectl(&["label", "namespace", stray, &label, "--field-manager=planter"]).ok();
    let is_gone = |it: &Value| it["metadata"]["labels"]["ringfence.dev/domain"].is_null();
    for _ in 0..5 {
        plant();
        soon(lab, &["namespace", stray], is_gone);
    }
    let left = get(lab, &["namespace", stray]).unwrap();
    assert_eq!(left["metadata"]["annotations"]["ringfence.dev/except.team"], "a reason of theirs");
    told(lab, name, &[stray, "planter"]);
    plant();
    let contested = domain.wait("DriftContested", "True");
    let message = contested["message"].as_str().unwrap();
    assert!(message.contains(stray) && message.contains("planter"), "{message}");
    assert!(!is_gone(&get(lab, &["namespace", stray]).unwrap()), "no longer fought for");
    running.end().await;
}
