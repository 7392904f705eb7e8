//! Tests: an engineer does their daily work and nothing else. Asked of the API server itself, for each role and right.

use std::time::Duration;

use ringfence_lab::ControlPlane;
use ringfence_lab::Identity;
use ringfence_lab::Namespace;
use ringfence_lab::Options;
use ringfence_lab::Tier;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::controller::Controller;
use crate::controller::of_the_account;
use crate::run;
use crate::set_up;
use crate::support::Folder;
use crate::world;

/// Roles, each with the groups that hold them here.
const PRESETS: [&str; 4] = ["ml-engineer", "ml-notebook", "ml-operator", "ml-viewer"];

/// Verb, API group, resource.
type Right = (&'static str, &'static str, &'static str);

/// What none of them may do.
const HELD_BY_NONE: [Right; 34] = [
    ("get", "", "secrets"),
    ("list", "", "secrets"),
    ("watch", "", "secrets"),
    ("create", "", "secrets"),
    ("update", "", "secrets"),
    ("create", "", "pods/exec"),
    ("get", "", "pods/exec"),
    ("create", "", "pods/attach"),
    ("create", "", "pods/ephemeralcontainers"),
    ("patch", "", "pods/ephemeralcontainers"),
    ("create", "", "pods/proxy"),
    ("create", "", "serviceaccounts/token"),
    ("create", "", "serviceaccounts"),
    ("patch", "", "serviceaccounts"),
    ("create", "", "pods"),
    ("patch", "", "namespaces"),
    ("patch", "", "nodes"),
    ("create", "", "resourcequotas"),
    ("patch", "", "resourcequotas"),
    ("delete", "", "limitranges"),
    ("create", "networking.k8s.io", "networkpolicies"),
    ("delete", "networking.k8s.io", "networkpolicies"),
    ("create", "rbac.authorization.k8s.io", "rolebindings"),
    ("create", "rbac.authorization.k8s.io", "roles"),
    ("bind", "rbac.authorization.k8s.io", "clusterroles"),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
    ("impersonate", "", "users"),
    ("impersonate", "", "groups"),
    ("create", "ringfence.dev", "securitydomains"),
    ("patch", "ringfence.dev", "securitydomains"),
    ("create", "external-secrets.io", "externalsecrets"),
    ("create", "external-secrets.io", "secretstores"),
    ("create", "admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    ("create", "", "persistentvolumes"),
];

/// What each of them may do.
const HELD: [(&str, &[Right]); 4] = [
    (
        "ml-engineer",
        &[
            ("create", "batch", "jobs"),
            ("delete", "batch", "cronjobs"),
            ("patch", "", "configmaps"),
            ("create", "", "persistentvolumeclaims"),
            ("create", "kubeflow.org", "pytorchjobs"),
            ("create", "ray.io", "rayclusters"),
            ("create", "serving.kserve.io", "inferenceservices"),
            ("create", "resource.k8s.io", "resourceclaimtemplates"),
            ("get", "", "pods/log"),
            ("delete", "", "pods"),
        ],
    ),
    (
        "ml-notebook",
        &[
            ("create", "kubeflow.org", "notebooks"),
            ("create", "", "persistentvolumeclaims"),
            ("get", "", "pods/log"),
        ],
    ),
    (
        "ml-operator",
        &[
            ("create", "apps", "deployments"),
            ("patch", "apps", "deployments/scale"),
            ("create", "", "pods/portforward"),
            ("create", "batch", "jobs"),
            ("get", "external-secrets.io", "externalsecrets"),
        ],
    ),
    (
        "ml-viewer",
        &[
            ("list", "", "pods"),
            ("get", "batch", "jobs"),
            ("list", "", "events"),
            ("watch", "ray.io", "rayjobs"),
        ],
    ),
];

/// What a viewer or a notebook user may not do, though an engineer may.
const ENGINEERS_ONLY: [Right; 4] = [
    ("create", "batch", "jobs"),
    ("create", "", "configmaps"),
    ("get", "", "configmaps"),
    ("delete", "", "pods"),
];

#[test]
#[ignore = "needs lab tier 1b: roles are aggregated by its controllers, rights judged by its API server"]
fn each_role_may_do_its_work_and_nothing_that_guards() {
    let Some(lab) = world() else { return };
    let namespace = lab.namespace("roles");
    bind_all(lab, &namespace);
    let mut wrong = Vec::new();
    for preset in PRESETS {
        let may = HELD.iter().filter(|(name, _)| *name == preset).flat_map(|(_, held)| held.iter().copied());
        let only = if ["ml-viewer", "ml-notebook"].contains(&preset) { &ENGINEERS_ONLY[..] } else { &[] };
        let asked: Vec<_> = may
            .map(|right| (right, true))
            .chain(HELD_BY_NONE.map(|right| (right, false)))
            .chain(only.iter().map(|right| (*right, false)))
            .collect();
        let said = reviews(lab, namespace.name(), &group(preset), asked.iter().map(|(right, _)| *right));
        assert_eq!(said.len(), asked.len());
        for ((right, wanted), allowed) in asked.iter().zip(said) {
            if *wanted != allowed {
                wrong.push(format!("{preset} {right:?}: allowed {allowed}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    let exec = reviews(
        lab,
        namespace.name(),
        "with-exec",
        [("create", "", "pods/exec"), ("get", "", "secrets")].into_iter(),
    );
    assert_eq!(exec, [true, false], "a right beside the role is that right alone");
}

#[test]
#[ignore = "needs lab tier 1b: an engineer's commands in a domain that a controller enforces, under impersonation"]
fn an_engineers_day_in_a_domain_in_enforce() {
    let options = Options { tier: Some(Tier::ControlPlane), ..Options::default() };
    let Some(lab) = ringfence_lab::need_private(&options) else { return };
    set_up(&lab);
    let folder = Folder::new("day");
    let controller = Controller::start(&folder.write("kubeconfig", of_the_account(&lab).to_string()));
    let namespace = lab.namespace("day");
    let name = namespace.name();
    lab.kubectl(&["create", "serviceaccount", "builder", "-n", name]).ok();
    let domain = json!({
        "apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain", "metadata": {"name": "day"},
        "spec": {
            "namespaces": {"names": [name]},
            "network": {"allowDNS": false},
            "access": {
                "roles": [{"preset": "ml-engineer", "subjects": [{"kind": "Group", "name": group("ml-engineer")}]}],
                "mountable": {"secrets": ["hf"], "serviceAccounts": [], "claims": ["scratch"]},
            },
            "quota": {"cpu": "16", "memory": "64Gi", "pods": 20},
            "limits": {"default": {"cpu": "1", "memory": "1Gi"}},
            "jobs": {"activeDeadlineSeconds": 3600},
            "enforcement": {"mode": "Enforce"},
        },
    });
    run(&lab, &["domain", "apply", "-f", "-", "--wait", "--timeout", "120"], &domain.to_string()).ends(0);

    let anna = Identity::human("anna", &[&group("ml-engineer")]);
    let as_anna = |arguments: &[&str]| namespace.kubectl_as(&anna, arguments);
    until("rights of the role", Duration::from_secs(30), || as_anna(&["get", "pods"]).is_ok().then_some(()));
    as_anna(&["create", "job", "train", "--image=lab.local/train:1"]).ok();
    until("its pod, with what it did not write", Duration::from_secs(30), || {
        let pods: Value = serde_json::from_str(&as_anna(&["get", "pods", "-o", "json"]).ok()).unwrap();
        pods.pointer("/items/0/spec/containers/0/resources/limits/memory")
            .is_some_and(|it| it == "1Gi")
            .then_some(())
    });
    as_anna(&["get", "jobs,pods,events"]).ok();
    as_anna(&["describe", "job", "train"]).ok();
    as_anna(&["patch", "job", "train", "--type=merge", "-p", r#"{"spec":{"suspend":true}}"#]).ok();
    as_anna(&["create", "configmap", "settings", "--from-literal=lr=0.1"]).ok();
    as_anna(&["create", "cronjob", "nightly", "--image=lab.local/train:1", "--schedule=0 3 * * *"]).ok();
    as_anna(&["create", "service", "clusterip", "tracker", "--tcp=5000"]).ok();
    namespace
        .apply_as(
            &anna,
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: scratch}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
             resources: {requests: {storage: 1Gi}}\n",
        )
        .ok();
    as_anna(&["get", "resourcequotas,limitranges"]).ok();
    as_anna(&["delete", "job", "train"]).ok();
    for refused in [
        &["get", "secrets"][..],
        &["get", "secrets", "-n", "kube-system"],
        &["create", "secret", "generic", "mine"],
        &["create", "rolebinding", "mine", "--clusterrole=admin", "--user=anna"],
        &["delete", "resourcequota", "rf-quota"],
        &["delete", "networkpolicy", "rf-default-deny"],
        &["label", "namespace", name, "a=b"],
        &["create", "token", "default"],
        &["run", "shell", "--image=lab.local/sh:1"],
        &["get", "securitydomains"],
    ] {
        let said = as_anna(refused).refused();
        assert!(said.contains("cannot"), "{refused:?}: {said}");
    }
    by_other_ways(&namespace, &anna);
    assert!(controller.term(&lab).success());
}

/// What an engineer may not do, written into a Job, which she may make: each is refused at the Job, and what is listed is not.
fn by_other_ways(namespace: &Namespace<'_>, anna: &Identity) {
    let job = |name: &str, more: &Value| {
        let mut spec =
            json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "lab.local/train:1"}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": spec}}});
        namespace.apply_as(anna, &job.to_string())
    };
    let volume = |mut what: Value| {
        what["name"] = "v".into();
        json!({"volumes": [what]})
    };
    let secret = |name: &str| volume(json!({"secret": {"secretName": name}}));
    job("listed", &secret("hf")).ok();
    job("claimed", &volume(json!({"persistentVolumeClaim": {"claimName": "scratch"}}))).ok();
    let reads = json!({"containers": [{"name": "main", "image": "lab.local/train:1",
        "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "other", "key": "key"}}}]}]});
    for (name, more, control) in [
        ("secret", secret("other"), "RF-RBAC-003"),
        ("env", reads, "RF-RBAC-003"),
        ("account", json!({"serviceAccountName": "builder"}), "RF-RBAC-003"),
        ("claim", volume(json!({"persistentVolumeClaim": {"claimName": "other"}})), "RF-RBAC-003"),
        ("host-path", volume(json!({"hostPath": {"path": "/"}})), "RF-RUN-011"),
        ("host-network", json!({"hostNetwork": true}), "RF-NET-010"),
        ("node", json!({"nodeName": "gpu-1"}), "RF-GPU-024"),
    ] {
        let done = job(name, &more);
        assert!(!done.is_ok(), "{name} was taken");
        let said = done.refused();
        assert!(said.contains(control) && said.contains("Fix:"), "{name}: {said}");
    }
}

/// The binary's own objects for a domain with all roles, applied by hand: bindings only.
fn bind_all(lab: &ControlPlane, namespace: &Namespace<'_>) {
    let roles: Vec<_> = PRESETS
        .iter()
        .map(|preset| {
            let mut grant = json!({"preset": preset, "subjects": [{"kind": "Group", "name": group(preset)}]});
            if *preset == "ml-viewer" {
                grant["extras"] = json!(["Exec"]);
                grant["subjects"] = json!([{"kind": "Group", "name": group(preset)}]);
            }
            grant
        })
        .collect();
    let domain = json!({
        "apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
        "metadata": {"name": namespace.name().get(..50).unwrap_or(namespace.name())},
        "spec": {"namespaces": {"names": [namespace.name()]}, "access": {"roles": roles}},
    });
    let arguments = ["domain", "plan", "-f", "-", "--mode", "Enforce", "--format", "json"];
    let planned = run(lab, &arguments, &domain.to_string()).json();
    let objects = planned["objects"].as_array().unwrap().iter();
    let mut bindings: Vec<Value> =
        objects.filter(|it| it["id"]["kind"] == "RoleBinding").map(|it| it["body"].clone()).collect();
    assert_eq!(bindings.len(), 5, "{planned:#}");
    for binding in &mut bindings {
        if binding["roleRef"]["name"] == "ringfence:exec" {
            binding["subjects"][0]["name"] = "with-exec".into();
        }
    }
    namespace.apply(&json!({"apiVersion": "v1", "kind": "List", "items": bindings}).to_string()).ok();
    // The rules of an aggregated role are filled in by a controller.
    until("rules of the roles", Duration::from_secs(30), || {
        let rules = |preset: &str| {
            lab.kubectl(&["get", "clusterrole", &format!("ringfence:{preset}"), "-o", "json"]).ok()
        };
        let filled = |preset: &&str| {
            let role: Value = serde_json::from_str(&rules(preset)).unwrap();
            role["rules"].as_array().is_some_and(|it| !it.is_empty())
        };
        PRESETS.iter().all(filled).then_some(())
    });
}

fn group(preset: &str) -> String {
    format!("holders-of-{preset}")
}

/// Whether a member of a group may do each of these in a namespace, in the API server's own judgement.
fn reviews<'a>(
    lab: &ControlPlane,
    namespace: &str,
    group: &str,
    rights: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
) -> Vec<bool> {
    let items: Vec<_> = rights
        .map(|(verb, api_group, resource)| {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": {
                    "user": "somebody", "groups": [group, "system:authenticated"],
                    "resourceAttributes": {
                        "namespace": namespace, "verb": verb, "group": api_group, "resource": resource,
                        "subresource": subresource,
                    },
                },
            })
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let said = lab.kubectl_with(&["create", "-f", "-", "-o", "json"], &list.to_string()).ok();
    // One document after the other: reviews are not stored, so kubectl prints each answer by itself.
    let answers = serde_json::Deserializer::from_str(&said).into_iter::<Value>();
    answers.map(|it| it.unwrap()["status"]["allowed"].as_bool().unwrap()).collect()
}
