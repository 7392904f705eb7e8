//! What a simulation says before Enforce, and what the API server does after it.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::Client;
use kube::api::DeleteParams;
use kube::api::ListParams;
use kube::api::PostParams;
use ringfence_fixture::Random;
use ringfence_fixture::pod_spec;
use ringfence_lab::ControlPlane;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::get;
use crate::ground::identity;
use crate::ground::turn;
use crate::lab;

/// Pods of a replay, half of them outside the domain.
const PODS: usize = 1000;
/// Requests at the same time.
const CONCURRENCY: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: makes a thousand pods, twice"]
async fn a_thousand_pods_older_than_the_domain_are_refused_as_the_simulation_said() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let inside = lab.namespace("replay");
    let outside = lab.namespace("replay-out");
    let name = inside.name();
    let mut node = FakeNodeSpec::new(format!("{name}-1"), 8);
    node.labels.insert("pool".into(), name.to_owned());
    let _node = lab.fake_node_with(node);
    let runtime = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"});
    lab.apply(&runtime.to_string()).ok();
    for namespace in [name, outside.name()] {
        for account in ["trainer", "other"] {
            lab.kubectl(&["create", "serviceaccount", account, "--namespace", namespace]).ok();
        }
        until("the account of pods", SOON, || get(lab, &["-n", namespace, "serviceaccount/default"]));
    }
    let client = lab.client().await;
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    let pods: Vec<(String, Pod)> =
        (0..PODS).map(|number| pod(&mut random, number, name, outside.name())).collect();
    let before = create(&client, &pods).await;
    assert_eq!(before, BTreeSet::new(), "without a domain all of them run");

    let more = json!({
        "nodes": {"selector": {"matchLabels": {"pool": name}}},
        "limits": {"maxGPUsPerPod": 4, "default": {"cpu": "4", "memory": "16Gi"}},
        "access": {"mountable": {"secrets": ["hf"], "serviceAccounts": ["trainer"], "claims": ["data"]}},
    });
    let domain = Domain::new(lab, name, "Enforce", &more);
    let running = Running::start(lab, "controller-replay").await;
    let held = held(&domain).await;
    assert!(held.contains("would be refused") && held.contains("acknowledged"), "{held}");
    let predicted = predicted(lab, name).await;
    let hash = domain.get().unwrap()["status"]["simulation"]["hash"].as_str().unwrap().to_owned();
    domain.patch(&json!({"spec": {"enforcement": {"acknowledged": hash}}}));
    domain.settled();
    acts(lab, name, outside.name());

    for namespace in [name, outside.name()] {
        let of: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        of.delete_collection(&at_once, &ListParams::default()).await.unwrap();
        let none = || async { of.list(&ListParams::default().limit(1)).await.unwrap().items.is_empty() };
        let start = std::time::Instant::now();
        while !none().await {
            assert!(start.elapsed() < SOON * 3, "pods that were deleted are still there");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    let refused = create(&client, &pods).await;
    let foreseen = refused.iter().filter(|it| predicted.contains(*it)).count();
    let false_alarms: Vec<_> = predicted.difference(&refused).collect();
    println!(
        "{} refused, {foreseen} of them foreseen, {} foreseen and not refused",
        refused.len(),
        false_alarms.len()
    );
    let missed: Vec<_> = refused.difference(&predicted).collect();
    assert!(
        refused.len() > PODS / 3 && refused.len() < PODS,
        "{} of {PODS} refused shows nothing",
        refused.len()
    );
    assert!(foreseen * 100 >= refused.len() * 99, "missed: {missed:?}");
    assert!(false_alarms.len() * 100 <= refused.len(), "false alarms: {false_alarms:?}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: Pod Security and quota of a real API server"]
async fn enforce_waits_until_what_it_would_break_is_repaired_and_an_edit_waits_again() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("gate");
    let name = namespace.name();
    until("the account of pods", SOON, || get(lab, &["-n", name, "serviceaccount/default"]));
    let limits = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    let pod = |name: &str, more: &Value| {
        let mut spec =
            json!({"containers": [{"name": "main", "image": "registry.example/it:1", "resources": limits}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    };
    // Refused by a rule of ours; by Pod Security alone; and by the quota, one of three.
    let host = pod("host", &json!({"hostPID": true}));
    let ports = json!({"containers": [{"name": "main", "image": "registry.example/it:1", "resources": limits,
        "ports": [{"containerPort": 80, "hostPort": 8080}]}]});
    for it in [&host, &pod("port", &ports), &pod("one", &json!({})), &pod("two", &json!({}))] {
        namespace.apply(&it.to_string()).ok();
    }
    // And what has no pod yet, below the same level: nobody would see it before the night.
    let mut nightly = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec":
        {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": pod("", &ports)["spec"].clone()}}}}});
    nightly["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    namespace.apply(&nightly.to_string()).ok();
    let running = Running::start(lab, "controller-gate").await;
    let domain = Domain::new(lab, name, "Enforce", &json!({"quota": {"pods": 2}}));
    held(&domain).await;
    let simulation = domain.get().unwrap()["status"]["simulation"].clone();
    assert_eq!(simulation["wouldDeny"], 4, "{simulation}");
    let lines: Vec<&str> =
        simulation["owners"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(lines[0], format!("{name}/CronJob/nightly: RF-RUN-004"));
    assert_eq!(lines[1], format!("{name}/Pod/host: RF-RUN-010"));
    // Told in the API server's words too, and counted once.
    assert!(lines[2].starts_with(&format!("{name}/Pod/host: Pod Security: host namespaces")), "{lines:?}");
    assert!(lines[3].starts_with(&format!("{name}/Pod/port: Pod Security: hostPort")), "{lines:?}");
    assert_eq!(lines[4], format!("{name}: pods take 3 pods, the quota is 2; 1 could not be made again"));
    assert_eq!(mode(&domain), "Observe");
    assert_eq!(domain.wait("SimulationCurrent", "True")["reason"], "Current");

    // Repaired: a controller that starts looks at once, one that runs within a minute.
    running.end().await;
    lab.kubectl(&["-n", name, "delete", "pod", "host", "port", "--grace-period=0", "--force"]).ok();
    lab.kubectl(&["-n", name, "delete", "cronjob", "nightly"]).ok();
    let running = Running::start(lab, "controller-gate").await;
    domain.settled();
    assert_eq!(mode(&domain), "Enforce");
    assert!(get(lab, &["-n", name, "quota/rf-quota"]).is_some());

    // An edit that would refuse what runs: what was accepted stays in force, and is still kept.
    domain.patch(&json!({"spec": {"quota": {"pods": 1}}}));
    let held = held(&domain).await;
    assert!(held.contains("the spec that was accepted last stays in force"), "{held}");
    let hard = |it: &Value| it["spec"]["hard"]["pods"].clone();
    assert_eq!(hard(&get(lab, &["-n", name, "quota/rf-quota"]).unwrap()), "2");
    assert_eq!(domain.wait("Ready", "False")["reason"], "Held");

    // Without what was accepted nobody knows what is in force: the edit is not, and what stands stays.
    let forget = json!({"status": {"acceptedSpec": null}}).to_string();
    lab.kubectl(&["patch", "sdom", name, "--subresource=status", "--type=merge", "-p", &forget]).ok();
    let lost = until("it is told", SOON, || {
        let said = domain.get()?["status"]["effectiveModes"]["held"].as_str()?.to_owned();
        said.contains("the accepted spec is not known").then_some(said)
    });
    assert!(lost.contains("would be refused") && lost.contains("acknowledged"), "{lost}");
    let ready = domain.wait("Ready", "False");
    assert!(ready["message"].as_str().unwrap().contains("status.acceptedSpec"), "{ready}");
    let stands = get(lab, &["-n", name, "quota/rf-quota"]).unwrap();
    assert_eq!((hard(&stands), mode(&domain).as_str()), (json!("2"), "Enforce"));
    assert!(get(lab, &["-n", name, "networkpolicy/rf-default-deny"]).is_some());
    let acts = get(lab, &["validatingadmissionpolicybinding/ringfence-pods-inside-enforce"]).unwrap();
    assert_eq!(acts["spec"]["validationActions"][0], "Deny");
    let hash = domain.get().unwrap()["status"]["simulation"]["hash"].as_str().unwrap().to_owned();
    domain.patch(&json!({"spec": {"enforcement": {"acknowledged": hash}}}));
    domain.settled();
    assert_eq!(hard(&get(lab, &["-n", name, "quota/rf-quota"]).unwrap()), "1");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts of new namespaces"]
async fn a_namespace_that_comes_to_a_domain_in_enforce_waits_outside_until_it_was_simulated() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let [first, clean, bad] = ["joins", "joins-clean", "joins-bad"].map(|it| lab.namespace(it));
    let name = first.name();
    let comes = |namespace: &str| {
        lab.kubectl(&["label", "namespace", namespace, &format!("team={name}")]).ok();
    };
    comes(name);
    let running = Running::start(lab, "controller-joins").await;
    let selector = json!({"namespaces": {"selector": {"matchLabels": {"team": name}}}});
    let domain = Domain::new(lab, name, "Enforce", &selector);
    domain.settled();
    let fence = |namespace: &str| get(lab, &["-n", namespace, "networkpolicy/rf-default-deny"]);
    assert!(fence(name).is_some());
    comes(clean.name());
    until("a clean one is fenced", SOON, || fence(clean.name()));

    until("the account of pods", SOON, || get(lab, &["-n", bad.name(), "serviceaccount/default"]));
    let host = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "host"},
        "spec": {"hostPID": true, "containers": [{"name": "a", "image": "a"}]}});
    bad.apply(&host.to_string()).ok();
    comes(bad.name());
    let why = held(&domain).await;
    assert!(why.starts_with("outside until a simulation") && why.contains(bad.name()), "{why}");
    let stays = get(lab, &["namespace", bad.name()]).unwrap();
    assert!(!stays["metadata"].to_string().contains("ringfence.dev/"), "{stays}");
    assert_eq!((fence(bad.name()), mode(&domain).as_str()), (None, "Enforce"));
    // Those inside are kept as before, whatever is taken from them.
    let intruder = identity("controller-joins");
    for labels in ["ringfence.dev/domain-", "ringfence.dev/mode-"] {
        lab.kubectl_as(&intruder, &["label", "namespace", clean.name(), labels]).ok();
    }
    lab.kubectl_as(&intruder, &["-n", name, "delete", "networkpolicy", "rf-default-deny"]).ok();
    until("the label is back", SOON, || {
        let labels = get(lab, &["namespace", clean.name()])?["metadata"]["labels"].clone();
        (labels["ringfence.dev/domain"] == name && labels["ringfence.dev/mode"] == "enforce").then_some(())
    });
    until("the fence is back", SOON, || fence(name));
    assert!(fence(clean.name()).is_some());

    running.end().await;
    lab.kubectl(&["-n", bad.name(), "delete", "pod", "host", "--grace-period=0", "--force"]).ok();
    let running = Running::start(lab, "controller-joins").await;
    until("the repaired one is fenced", SOON, || fence(bad.name()));
    domain.settled();
    running.end().await;
}

/// Why the wanted mode waits, once what would be refused is known.
async fn held(domain: &Domain<'_>) -> String {
    let start = std::time::Instant::now();
    loop {
        let status = domain.get().unwrap_or_default()["status"].clone();
        let why = status["effectiveModes"]["held"].as_str().unwrap_or_default();
        if why.contains("would be refused") {
            return why.to_owned();
        }
        assert!(start.elapsed() < SOON * 2, "not held: {status}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn mode(domain: &Domain<'_>) -> String {
    domain.get().unwrap()["status"]["effectiveModes"]["mode"].as_str().unwrap().to_owned()
}

/// Waits until the API server refuses by the policies; it takes moments to act on new ones.
fn acts(lab: &ControlPlane, namespace: &str, outside: &str) {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": namespace},
        "spec": {"nodeName": "none", "containers": [{"name": "a", "image": "a"}]}});
    let outside = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": outside},
        "spec": {"nodeSelector": {"node-restriction.kubernetes.io/ringfence-domain": namespace}, "containers": [{"name": "a", "image": "a"}]}});
    for pod in [pod, outside] {
        let refuses = || {
            let done = lab.kubectl_with(&["create", "--dry-run=server", "--filename=-"], &pod.to_string());
            done.stderr().contains("RF-GPU-").then_some(())
        };
        until("the policies act", SOON * 2, refuses);
    }
}

fn pod(random: &mut Random, number: usize, inside: &str, outside: &str) -> (String, Pod) {
    let namespace = if number.is_multiple_of(2) { inside } else { outside };
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p-{number}"), "namespace": namespace},
        "spec": pod_spec(random)});
    (format!("{namespace}/p-{number}"), serde_json::from_value(object).unwrap())
}

/// Makes pods; those that were refused.
async fn create(client: &Client, pods: &[(String, Pod)]) -> BTreeSet<String> {
    let tried = pods.iter().map(|(name, pod)| {
        let api: Api<Pod> = Api::namespaced(client.clone(), pod.metadata.namespace.as_deref().unwrap());
        async move {
            match api.create(&PostParams::default(), pod).await {
                Ok(_) => None,
                // A limit that is filled in below a request makes the pod invalid in the API server's eyes.
                Err(kube::Error::Api(status)) if [403, 422].contains(&status.code) => Some(name.clone()),
                Err(error) => panic!("{name}: {error}"),
            }
        }
    });
    let tried: Vec<_> = tried.collect();
    let refused: Vec<_> = futures::stream::iter(tried).buffer_unordered(CONCURRENCY).collect().await;
    refused.into_iter().flatten().collect()
}

/// Pods that the simulation says would be refused. Pod Security names one of several that do the same.
async fn predicted(lab: &ControlPlane, domain: &str) -> BTreeSet<String> {
    let client = lab.client().await;
    let (facts, domains) = ringfence_operator::read(&client).await.unwrap();
    let names = [domain.to_owned()].into();
    let simulated = ringfence_operator::simulate(&client, &facts, &domains, &names).await;
    let one = &simulated[domain];
    assert_eq!(one.missing, Vec::<String>::new());
    let denied =
        one.simulation.denied.iter().map(|it| format!("{}/{}", it.namespace, it.owner.replace("Pod/", "")));
    let below = one.simulation.violations.iter().map(|it| format!("{}/{}", it.namespace, it.pod));
    denied.chain(below).collect()
}
