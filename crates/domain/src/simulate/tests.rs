//! Tests: whom a simulation counts, and what it says of them.

use super::*;
use crate::desired::Asked;
use crate::desired::Scope;
use crate::desired::desired;
use crate::facts::ClusterFacts;
use crate::facts::NamespaceFact;
use crate::facts::NodeFact;
use crate::spec::Mode;
use crate::spec::SecurityDomain;

fn domain(spec: Value) -> SecurityDomain {
    let mut spec = spec;
    spec["namespaces"] = json!({"names": ["ml"]});
    let object = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
        "metadata": {"name": "a"}, "spec": spec});
    serde_json::from_value(object).unwrap()
}

fn subject(namespace: &str, fields: &Value) -> Subject {
    let limits = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    let mut spec = json!({"containers": [{"name": "main", "image": "it", "resources": limits}]});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Subject {
        namespace: namespace.into(),
        owner: "Deployment/it".into(),
        pod_spec: spec,
        ..Subject::default()
    }
}

fn simulated(domain: &SecurityDomain, subjects: &[Subject]) -> Simulation {
    warned(domain, subjects, Some(Vec::new()))
}

fn warned(domain: &SecurityDomain, subjects: &[Subject], violations: Option<Vec<Violation>>) -> Simulation {
    let asked = [Asked::new(domain, Mode::Enforce)];
    let rules = Rules::of(&asked, &ClusterFacts::default());
    simulate(&desired(&asked, &ClusterFacts::default()), "a", &rules, subjects, &[], violations).unwrap()
}

fn pods(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("it-{number}")).collect()
}

fn controls(domain: &SecurityDomain, subject: &Subject) -> Vec<String> {
    let simulation = simulated(domain, std::slice::from_ref(subject));
    simulation.denied.iter().flat_map(|it| &it.reasons).map(|it| it.control.to_string()).collect()
}

#[test]
fn counts_pods_and_a_template_without_pods_as_one() {
    let bad = json!({"hostPID": true, "hostIPC": true});
    let twelve = Subject { pods: pods(12), ..subject("ml", &bad) };
    let template = subject("ml", &bad);
    let none = Subject { owner: "CronJob/nightly".into(), ..subject("ml", &bad) };
    let good = Subject { owner: "Deployment/good".into(), ..subject("ml", &json!({})) };
    let simulation = simulated(&domain(json!({})), &[twelve, template, none, good]);
    assert_eq!((simulation.judged, simulation.would_deny), (3, 13));
    let status = simulation.status("h".into(), "2026-03-02T11:00:00Z".into(), Vec::new());
    assert_eq!(
        status.owners,
        [
            "ml/CronJob/nightly: RF-DATA-009, RF-RUN-004, RF-RUN-010",
            "ml/Deployment/it: RF-DATA-009, RF-RUN-004, RF-RUN-010"
        ]
    );
}

#[test]
fn all_pods_of_a_refused_template_are_lost_and_of_a_good_one_those_that_differ() {
    let bad = json!({"hostPID": true});
    let good_pods = Subject { pods: pods(3), ..subject("ml", &json!({})) };
    let refused = simulated(&domain(json!({})), &[subject("ml", &bad), good_pods.clone()]);
    assert_eq!((refused.would_deny, refused.denied[0].pods), (3, 3));
    let odd = Subject { pods: vec!["odd".into()], ..subject("ml", &bad) };
    let changed = simulated(&domain(json!({})), &[subject("ml", &json!({})), good_pods, odd]);
    assert_eq!((changed.would_deny, changed.denied[0].pods), (1, 1));
}

#[test]
fn pods_below_the_security_level_count_once() {
    let violation = |pod: &str, pods| Violation {
        namespace: "ml".into(),
        pod: pod.into(),
        pods,
        message: "hostPath volumes".into(),
    };
    let bad = Subject { pods: pods(2), ..subject("ml", &json!({"hostPID": true})) };
    let simulation =
        warned(&domain(json!({})), &[bad], Some(vec![violation("it-1", 2), violation("other", 3)]));
    assert_eq!((simulation.would_deny, simulation.violations.len()), (5, 2));
    // The server names one of those that do the same, of whatever owners: here that which our rules refuse, too.
    let port = json!({"containers": [{"name": "main", "image": "it", "ports": [{"containerPort": 80, "hostPort": 80}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]});
    let mut both = subject("ml", &port);
    both.pod_spec["hostPID"] = json!(true);
    let one = Subject { pods: vec!["a".into()], owner: "Pod/a".into(), ..both };
    let many = Subject { pods: pods(30), ..subject("ml", &port) };
    let counted = warned(&domain(json!({})), &[one, many], Some(vec![violation("a", 31)]));
    assert_eq!(counted.would_deny, 31);
    let lines = simulation.status("h".into(), String::new(), Vec::new()).owners;
    assert_eq!(lines[2], "ml/Pod/other and 2 more: Pod Security: hostPath volumes");
}

#[test]
fn a_status_is_of_bounded_size() {
    let many = |number: usize| Subject {
        owner: format!("Deployment/{number:0>250}"),
        ..subject("ml", &json!({"hostPID": true}))
    };
    let simulation = simulated(&domain(json!({})), &(0..50).map(many).collect::<Vec<_>>());
    let status = simulation.status("h".repeat(64), String::new(), vec!["é".repeat(300); 20]);
    assert_eq!((status.owners.len(), status.missing.len()), (20, 8));
    assert!(status.owners.iter().chain(&status.missing).all(|it| it.len() <= 256 && it.ends_with("...")));
}

#[test]
fn judges_those_outside_only_if_the_domain_closes_nodes_to_them() {
    let tolerant = |namespace| subject(namespace, &json!({"tolerations": [{"operator": "Exists"}]}));
    let subjects = [tolerant("shop"), tolerant("kube-system"), tolerant("drivers")];
    assert_eq!(simulated(&domain(json!({})), &subjects).judged, 0);
    let nodes = json!({"selector": {}, "systemAllowList": {"namespaces": ["drivers"]}});
    let simulation = simulated(&domain(json!({"nodes": nodes})), &subjects);
    let denied: Vec<_> = simulation.denied.iter().map(|it| it.namespace.as_str()).collect();
    assert_eq!((simulation.judged, denied), (1, vec!["shop"]));
}

#[test]
fn what_another_domain_runs_on_nodes_that_close_is_told() {
    let mut other = domain(json!({}));
    other.metadata.name = Some("b".into());
    other.spec.namespaces.names = vec!["web".into()];
    let closing = domain(json!({"nodes": {"selector": {"matchLabels": {"gpu": "yes"}}}}));
    let node = |name: &str, gpu: &str| NodeFact {
        name: name.into(),
        labels: [("gpu".to_owned(), gpu.to_owned())].into(),
        ..NodeFact::default()
    };
    let facts = ClusterFacts {
        nodes: Some(vec![node("gpu-1", "yes"), node("cpu-1", "no")]),
        ..ClusterFacts::default()
    };
    let found = |closing: &SecurityDomain, subjects: &[Subject]| {
        let asked = [Asked::new(closing, Mode::Enforce), Asked::new(&other, Mode::Enforce)];
        let rules = Rules::of(&asked, &facts);
        let found = simulate(&desired(&asked, &facts), "a", &rules, subjects, &[], Some(Vec::new())).unwrap();
        (found.would_deny, found.denied.iter().map(|it| (it.owner.clone(), it.pods)).collect::<Vec<_>>())
    };
    let running = Subject {
        pods: pods(3),
        nodes: ["gpu-1", "cpu-1", ""].map(str::to_owned).into(),
        ..subject("web", &json!({}))
    };
    let agent = |fields: Value| Subject { owner: "DaemonSet/agent".into(), ..subject("web", &fields) };
    let tolerates = |key: &str| json!({"tolerations": [{"key": key, "operator": "Exists"}]});
    let away = [
        agent(json!({})),
        agent(tolerates("example.com/other")),
        subject("web", &tolerates("nvidia.com/gpu")),
    ];
    let own =
        agent(json!({"tolerations": [{"operator": "Exists"}], "nodeSelector": {names::NODE_LABEL: "b"}}));
    assert_eq!(
        found(&closing, std::slice::from_ref(&running)),
        (1, vec![("Deployment/it".to_owned(), 1)]),
        "on gpu-1"
    );
    assert_eq!(found(&closing, &away), (0, Vec::new()));
    assert_eq!(found(&closing, &[own]), (0, Vec::new()), "it asks for nodes of its own");
    let comes = [agent(tolerates("nvidia.com/gpu"))];
    assert_eq!(found(&closing, &comes), (1, vec![("DaemonSet/agent".to_owned(), 0)]));
    let shared = domain(json!({"nodes": {"selector": {"matchLabels": {"gpu": "yes"}}, "dedicated": false}}));
    assert_eq!(found(&shared, std::slice::from_ref(&running)), (0, Vec::new()));
    let mut allowing = closing.clone();
    allowing.spec.nodes.system_allow_list.namespaces = vec!["web".into()];
    assert_eq!(found(&allowing, &[running, comes[0].clone()]), (0, Vec::new()));
}

#[test]
fn what_would_be_filled_in_is_not_missed() {
    let bare = subject("ml", &json!({"containers": [{"name": "main", "image": "it"}]}));
    assert_eq!(controls(&domain(json!({})), &bare), ["RF-RUN-002"]);
    let defaults = json!({"limits": {"default": {"cpu": "1"}, "max": {"memory": "1Gi"}}});
    assert!(controls(&domain(defaults), &bare).is_empty());

    // A limit that is filled in below a request makes the pod invalid; a request that fits stays.
    let asks = |cpu: &str| {
        let resources = json!({"requests": {"cpu": cpu, "memory": "1Gi"}});
        subject("ml", &json!({"containers": [{"name": "main", "image": "it", "resources": resources}]}))
    };
    let defaults = domain(json!({"limits": {"default": {"cpu": "4", "memory": "16Gi"}}}));
    assert_eq!(controls(&defaults, &asks("8")), ["RF-RUN-002"]);
    assert!(controls(&defaults, &asks("4")).is_empty());
    let most = domain(json!({"limits": {"max": {"cpu": "4", "memory": "16Gi"}}}));
    assert_eq!(controls(&most, &asks("8")), ["RF-RUN-002"]);
    // What a quota counts of a pod without requests is the default, not the limit.
    let with_request = json!({"limits": {"default": {"cpu": "4", "memory": "1Gi"}, "defaultRequest": {"cpu": "1"}},
        "quota": {"cpu": "2"}});
    let two = Subject { pods: pods(2), ..bare.clone() };
    let simulation = simulated(&domain(with_request), &[two]);
    let short: Vec<&str> = simulation.shortages.iter().map(|it| it.resource.as_str()).collect();
    assert_eq!(short, ["limits.cpu"]);

    let gpu = json!({"limits": {"nvidia.com/gpu": "1", "cpu": "1", "memory": "1Gi"}});
    let gpu = subject("ml", &json!({"containers": [{"name": "main", "image": "it", "resources": gpu}]}));
    let noded = domain(json!({"nodes": {"selector": {}}}));
    assert!(controls(&noded, &gpu).is_empty());
    // Where the server fills nothing in, the author has to.
    let served = ["admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy".to_owned()];
    let facts =
        ClusterFacts { served: Some(served.into()), nodes: Some(Vec::new()), ..ClusterFacts::default() };
    let asked = [Asked::new(&noded, Mode::Enforce)];
    let rules = Rules::of(&asked, &facts);
    let simulation = simulate(&desired(&asked, &facts), "a", &rules, &[gpu], &[], Some(Vec::new())).unwrap();
    assert_eq!(simulation.denied[0].reasons[0].control.to_string(), "RF-GPU-004");
}

#[test]
fn a_token_is_foreseen_where_admission_will_mount_one() {
    let limited = domain(json!({"tier": "Restricted", "jobs": {"activeDeadlineSeconds": 60},
        "access": {"mountable": {"serviceAccounts": ["trainer"]}}}));
    assert!(controls(&limited, &subject("ml", &json!({}))).is_empty());
    let asks = json!({"automountServiceAccountToken": true});
    assert_eq!(controls(&limited, &subject("ml", &asks)), ["RF-RBAC-008"]);
    let other = subject("ml", &json!({"serviceAccountName": "other"}));
    assert_eq!(controls(&limited, &other), ["RF-RBAC-008", "RF-RBAC-003"]);
    let silent = Subject { automount: Some(false), ..other };
    assert_eq!(controls(&limited, &silent), ["RF-RBAC-003"]);
    assert!(controls(&limited, &subject("ml", &json!({"serviceAccountName": "trainer"}))).is_empty());
    let meant = domain(json!({"access": {"serviceAccounts": {"automountDefault": true}}}));
    assert!(controls(&meant, &subject("ml", &json!({}))).is_empty());
}

#[test]
fn a_job_needs_a_deadline_where_none_is_given_to_it() {
    let strict = domain(json!({"tier": "Restricted"}));
    let job = |spec: Value| Subject {
        job_spec: Some(spec),
        ..subject("ml", &json!({"automountServiceAccountToken": false}))
    };
    assert_eq!(controls(&strict, &job(json!({}))), ["RF-RUN-013"]);
    assert!(controls(&strict, &job(json!({"activeDeadlineSeconds": 60}))).is_empty());
    assert!(controls(&domain(json!({})), &job(json!({}))).is_empty());
}

#[test]
fn the_hash_follows_spec_and_rules_but_not_the_mode() {
    let hash = |domain: &SecurityDomain, all: &[&SecurityDomain]| {
        let asked: Vec<_> = all.iter().map(|domain| Asked::new(domain, Mode::Observe)).collect();
        let rules = Rules::of(&asked, &ClusterFacts::default());
        let facts = ClusterFacts::default();
        let namespaces = &crate::namespaces(&asked, &facts)["a"];
        simulation_hash(&crate::resolve(&domain.spec).unwrap(), &rules, namespaces)
    };
    let plain = domain(json!({}));
    let before = hash(&plain, &[&plain]);
    assert_eq!(before.len(), 64);
    let mut raised = plain.clone();
    raised.spec.enforcement.mode = Mode::Enforce;
    raised.spec.enforcement.acknowledged = Some(before.clone());
    assert_eq!(hash(&raised, &[&raised]), before);
    let stricter = domain(json!({"limits": {"maxGPUsPerPod": 1}}));
    assert_ne!(hash(&stricter, &[&stricter]), before);
    let taints = domain(json!({"nodes": {"selector": {}, "taint": {"key": "example.com/gpu"}}}));
    assert_ne!(hash(&plain, &[&plain, &taints]), before);
}

#[test]
fn the_hash_knows_which_namespaces_were_seen() {
    let mut domain = domain(json!({}));
    domain.spec.namespaces =
        serde_json::from_value(json!({"selector": {"matchLabels": {"team": "ml"}}})).unwrap();
    let asked = [Asked::new(&domain, Mode::Enforce)];
    let hash = |names: &[(&str, &str)]| {
        let fact = |(name, team): &(&str, &str)| NamespaceFact {
            name: (*name).into(),
            labels: [("team".to_owned(), (*team).to_owned())].into(),
            ..NamespaceFact::default()
        };
        let facts =
            ClusterFacts { namespaces: Some(names.iter().map(fact).collect()), ..ClusterFacts::default() };
        let rules = Rules::of(&asked, &facts);
        simulation_hash(
            &crate::resolve(&domain.spec).unwrap(),
            &rules,
            &crate::namespaces(&asked, &facts)["a"],
        )
    };
    let before = hash(&[("one", "ml"), ("two", "ml"), ("shop", "web")]);
    assert_eq!(hash(&[("two", "ml"), ("one", "ml")]), before, "neither order nor who is outside counts");
    assert_ne!(hash(&[("one", "ml"), ("two", "ml"), ("shop", "ml")]), before);
    assert_ne!(hash(&[("one", "ml")]), before);
}

#[test]
fn who_was_not_simulated_stays_outside_and_is_nobody_elses() {
    let (one, mut younger) = (domain(json!({})), domain(json!({})));
    younger.metadata.name = Some("b".into());
    let known = Scope::Within(BTreeSet::from(["other".to_owned()]));
    let asked =
        [Asked { scope: known, ..Asked::new(&one, Mode::Enforce) }, Asked::new(&younger, Mode::Enforce)];
    let desired = desired(&asked, &ClusterFacts::default());
    let outcome = &desired.outcomes["a"];
    assert_eq!((outcome.waiting.as_slice(), outcome.namespaces.len()), (&["ml".to_owned()][..], 0));
    assert!(desired.objects.iter().all(|it| it.id.namespace.is_empty() && it.id.kind != "Namespace"));
    assert_eq!(desired.outcomes["b"].conflicts.len(), 1);
}

#[test]
fn claims_of_devices_count_against_the_quota_of_their_class() {
    let domain = domain(json!({"quota": {"deviceClasses": {"gpu.example.com": 4}}}));
    let claim = |namespace: &str, count: u32, is_template: bool| Claim {
        namespace: namespace.into(),
        name: format!("takes-{count}"),
        spec: json!({"devices": {"requests": [{"name": "a", "exactly":
            {"deviceClassName": "gpu.example.com", "count": count}}]}}),
        is_template,
    };
    let asked = [Asked::new(&domain, Mode::Enforce)];
    let facts = ClusterFacts::default();
    let (rules, drawn) = (Rules::of(&asked, &facts), desired(&asked, &facts));
    let found = |claims: &[Claim]| simulate(&drawn, "a", &rules, &[], claims, Some(Vec::new())).unwrap();
    let fits = [claim("ml", 3, false), claim("ml", 1, false), claim("shop", 9, false), claim("ml", 4, true)];
    assert_eq!(found(&fits).would_deny, 0);
    let more = [claim("ml", 3, false), claim("ml", 2, false), claim("ml", 5, true)];
    let simulation = found(&more);
    assert_eq!(simulation.would_deny, 2, "the larger of two claims, and the template");
    let lines = simulation.status("h".into(), String::new(), Vec::new()).owners;
    assert_eq!(
        lines,
        [
            "ml/ResourceClaimTemplate/takes-5: RF-GPU-020",
            "ml: claims take 5 gpu.example.com.deviceclass.resource.k8s.io/devices, the quota is 4; 1 could not be made again"
        ]
    );
}

#[test]
fn templates_are_held_against_pod_security_and_running_pods_where_nobody_asked_the_server() {
    let port = json!({"containers": [{"name": "main", "image": "it", "ports": [{"hostPort": 80}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]});
    let template = subject("ml", &port);
    let said = |it: &Simulation| it.denied.iter().flat_map(|it| it.reasons.clone()).collect::<Vec<_>>();
    let refused = simulated(&domain(json!({})), std::slice::from_ref(&template));
    assert_eq!(refused.would_deny, 1);
    let reason = &said(&refused)[0];
    assert_eq!(
        (reason.control.to_string().as_str(), reason.message.as_ref()),
        ("RF-RUN-004", "violates PodSecurity \"baseline:latest\": hostPort")
    );
    let privileged = domain(json!({"podSecurity": {"enforce": "privileged"}}));
    assert_eq!(simulated(&privileged, std::slice::from_ref(&template)).would_deny, 0);
    let running = Subject { pods: pods(2), ..template };
    assert_eq!(
        simulated(&domain(json!({})), std::slice::from_ref(&running)).would_deny,
        0,
        "the server tells"
    );
    assert_eq!(warned(&domain(json!({})), &[running], None).would_deny, 2);
}
