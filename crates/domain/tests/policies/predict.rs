//! The judgement in Rust against the API server: the same pods, both sides of every rule. A refusal carries the first rule that
//! fails, and so does the audit log; warnings carry all of them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::Client;
use kube::api::PostParams;
use kube::client::Body;
use kube::core::Request;
use ringfence_domain::Rules;
use ringfence_domain::Subject;
use ringfence_domain::simulate;
use ringfence_lab::ControlPlane;
use serde_json::Value;
use serde_json::json;

use crate::world::ENFORCED;
use crate::world::FREE;
use crate::world::OUTSIDE;
use crate::world::WARNED;
use crate::world::asked;
use crate::world::domains;
use crate::world::facts;
use crate::world::wanted;
use crate::world::world;

const PODS: usize = 2000;

#[test]
#[ignore = "needs lab tier 1b: creates 2000 pods, dry"]
fn the_simulation_predicts_what_the_api_server_says() {
    let Some(lab) = world() else { return };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let namespaces = [
        (ENFORCED, "enforced"),
        (WARNED, "warned"),
        (OUTSIDE, "enforced"),
        (WARNED, "warned"),
        (FREE, "free"),
    ];
    let pods: Vec<_> = (0..PODS).map(|number| (namespaces[number % 5], spec(&mut random))).collect();
    let told = told(lab, &pods);
    let mut disagreements = Vec::new();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (number, (((namespace, domain), spec), told)) in pods.iter().zip(told).enumerate() {
        let mut predicted = predicted(namespace, domain, spec);
        if *namespace != WARNED {
            predicted.truncate(1);
        }
        let predicted: BTreeSet<_> = predicted.into_iter().collect();
        for reason in &told {
            *seen.entry(reason.clone()).or_default() += 1;
        }
        if told.is_empty() {
            *seen.entry("nothing".into()).or_default() += 1;
        }
        if predicted != told {
            let (more, less): (Vec<_>, Vec<_>) =
                (predicted.difference(&told).collect(), told.difference(&predicted).collect());
            disagreements
                .push(format!("{number} {namespace}: only Rust {more:?}, only the server {less:?}: {spec}"));
        }
    }
    println!("{seen:#?}");
    assert!(disagreements.is_empty(), "{} of {PODS}:\n{}", disagreements.len(), disagreements.join("\n"));
    // A generator that breaks no rule, or every pod, would show nothing.
    assert!(seen.len() == RULES && seen.values().all(|count| *count >= 10), "{} {seen:#?}", seen.len());
}

/// Beginnings of messages that differ, and `nothing`: all rules that one Pod can break. The deadline is a Job's, and the
/// selector that is filled in cannot be missing.
const RULES: usize = 27;

/// Enough of a message to tell it from all others; a server with much to warn of cuts each warning short.
fn beginning(message: &str) -> String {
    message.chars().take(BEGINNING).collect()
}

const BEGINNING: usize = 70;

fn predicted(namespace: &str, domain: &str, spec: &Value) -> Vec<String> {
    let domains = domains();
    let rules = Rules::of(&asked(&domains), &facts());
    let subject = Subject {
        namespace: namespace.into(),
        owner: "Pod/it".into(),
        pod_spec: spec.clone(),
        ..Subject::default()
    };
    let simulation = simulate(&wanted(), domain, &rules, &[subject], Vec::new()).unwrap();
    assert_eq!(simulation.judged, 1);
    simulation.denied.iter().flat_map(|it| &it.reasons).map(|it| beginning(&it.message)).collect()
}

/// What the server says of each pod.
fn told(lab: &ControlPlane, pods: &[((&str, &str), Value)]) -> Vec<BTreeSet<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = lab.client().await;
        let requests = pods.iter().map(|((namespace, _), spec)| {
            let client = client.clone();
            async move {
                if *namespace == WARNED {
                    warnings(&client, namespace, spec).await
                } else {
                    refusal(client, namespace, spec).await.into_iter().collect()
                }
            }
        });
        futures::stream::iter(requests).buffered(8).collect().await
    })
}

fn pod(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "it"}, "spec": spec})
}

fn dry() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

async fn refusal(client: Client, namespace: &str, spec: &Value) -> Option<String> {
    let pod: Pod = serde_json::from_value(pod(spec)).unwrap();
    match Api::namespaced(client, namespace).create(&dry(), &pod).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let reason = status.message.split_once("denied request: ").map(|(_, reason)| beginning(reason));
            Some(reason.unwrap_or(status.message.clone()))
        }
        Err(error) => panic!("no verdict of a policy: {error}: {spec}"),
    }
}

async fn warnings(client: &Client, namespace: &str, spec: &Value) -> BTreeSet<String> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let request = Request::new(path).create(&dry(), pod(spec).to_string().into_bytes()).unwrap();
    let answer = client.send(request.map(Body::from)).await.unwrap();
    assert_eq!(answer.status(), 201, "{spec}");
    let warnings = answer.headers().get_all("warning").iter().map(|it| it.to_str().unwrap().to_owned());
    let ours = warnings.filter_map(|it| Some(beginning(it.split_once("-warn': ")?.1)));
    ours.collect()
}

/// xorshift64*: the same pods on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound
    }

    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.below(values.len())]
    }
}

/// A pod spec that the API server would take without our policies.
fn spec(random: &mut Random) -> Value {
    let mut spec = json!({"containers": [container(random, "main")]});
    if random.once_in(4) {
        spec["containers"].as_array_mut().unwrap().push(container(random, "second"));
    }
    if random.once_in(5) {
        let mut init = container(random, "init");
        if random.once_in(2) {
            init["restartPolicy"] = json!("Always");
        }
        spec["initContainers"] = json!([init]);
    }
    placement(random, &mut spec);
    if !random.once_in(6) {
        spec["automountServiceAccountToken"] = json!(random.once_in(8));
    }
    if random.once_in(4) {
        spec["serviceAccountName"] = json!(random.of(&["trainer", "other", "default"]));
    }
    for flag in ["hostNetwork", "hostPID", "hostIPC"] {
        if random.once_in(10) {
            spec[flag] = json!(random.once_in(2));
        }
    }
    if random.once_in(12) {
        spec["runtimeClassName"] = json!("nvidia");
    }
    if random.once_in(15) {
        spec["resourceClaims"] = json!([{"name": "gpu", "resourceClaimName": "gpu"}]);
    }
    if random.once_in(12) {
        spec["resources"] = json!({"limits": {"cpu": "64", "memory": "256Gi"}});
    }
    let volumes: Vec<_> = (0..random.below(3)).map(|number| volume(random, number)).collect();
    if !volumes.is_empty() {
        let mounts = volumes.iter().enumerate().map(|(number, volume)| {
            let shm = if number == 0 { "/dev/shm" } else { "/data" };
            let at = random.of(&["/v", "/run/nvidia-container-devices", shm, "/v", "/srv"]);
            json!({"name": volume["name"], "mountPath": format!("{at}{}", if at == shm { String::new() } else { format!("/{number}") })})
        });
        spec["containers"][0]["volumeMounts"] = mounts.collect();
        spec["volumes"] = json!(volumes);
    }
    spec
}

fn placement(random: &mut Random, spec: &mut Value) {
    const LABEL: &str = "node-restriction.kubernetes.io/ringfence-domain";

    if random.once_in(3) {
        let tolerations = [
            json!({"key": "nvidia.com/gpu", "operator": "Exists"}),
            json!({"key": "nvidia.com/gpu", "operator": "Equal", "value": "true", "effect": "NoSchedule"}),
            json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}),
            json!({"operator": "Exists"}),
            json!({"operator": "Exists", "effect": "PreferNoSchedule"}),
            json!({"key": "example.com/burst", "operator": "Exists"}),
        ];
        spec["tolerations"] = json!([tolerations[random.below(6)]]);
    }
    if random.once_in(20) {
        spec["nodeName"] = json!("gpu-1");
    }
    if random.once_in(6) {
        let key = random.of(&[LABEL, "disk"]);
        spec["nodeSelector"] = json!({key: random.of(&["enforced", "free", "other", "fast"])});
    }
    if random.once_in(8) {
        let key = random.of(&[LABEL, "disk"]);
        let expression = match random.below(4) {
            0 => json!({"key": key, "operator": "Exists"}),
            1 => json!({"key": key, "operator": "NotIn", "values": ["enforced"]}),
            2 => json!({"key": key, "operator": "In", "values": ["enforced", "free"]}),
            _ => json!({"key": key, "operator": "In", "values": ["enforced"]}),
        };
        spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}});
    }
}

fn container(random: &mut Random, name: &str) -> Value {
    let mut container = json!({"name": name, "image": "registry.example/it:1"});
    let mut limits = json!({});
    for (key, amount) in [("cpu", "1"), ("memory", "1Gi")] {
        if !random.once_in(8) {
            limits[key] = json!(amount);
        }
    }
    if random.once_in(3) {
        let key = random.of(&["nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "amd.com/gpu", "example.com/nic"]);
        let amounts = [json!("1"), json!(2), json!("3"), json!("0"), json!("0k"), json!("5"), json!("1k")];
        limits[key] = amounts[random.below(7)].clone();
    }
    if limits.as_object().is_some_and(|it| !it.is_empty()) {
        container["resources"] = json!({"limits": limits});
    }
    if random.once_in(8) {
        container["securityContext"] = json!({"privileged": random.once_in(2)});
    }
    if random.once_in(8) {
        let names = ["NET_BIND_SERVICE", "SYS_ADMIN", "IPC_LOCK", "ALL", "CHOWN", "NET_RAW"];
        let first = names[random.below(6)];
        container["securityContext"]["capabilities"] = json!({"add": [first, "KILL"], "drop": ["SETUID"]});
    }
    let variables: Vec<_> = (0..random.below(3)).map(|_| variable(random)).collect();
    if !variables.is_empty() {
        container["env"] = json!(variables);
    }
    if random.once_in(12) {
        container["envFrom"] = match random.below(3) {
            0 => json!([{"secretRef": {"name": "hf"}}]),
            1 => json!([{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "db", "optional": true}}]),
            _ => json!([{"configMapRef": {"name": "c"}}]),
        };
    }
    container
}

fn variable(random: &mut Random) -> Value {
    let name = random.of(&[
        "PATH_X",
        "HOME_X",
        "MODE",
        "LEVEL",
        "OPENAI_API_KEY",
        "HF_TOKEN",
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_IMEX_CHANNELS",
    ]);
    match random.below(8) {
        0 => json!({"name": name}),
        1 => json!({"name": name, "value": ""}),
        2 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "hf", "key": "k"}}}),
        3 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}),
        4 => json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        5 => json!({"name": name, "value": "void"}),
        6 => json!({"name": name, "value": "none"}),
        _ => json!({"name": name, "value": "all"}),
    }
}

fn volume(random: &mut Random, number: usize) -> Value {
    let token = |fields: Value| json!({"projected": {"sources": [{"serviceAccountToken": fields}]}});
    let path =
        random.of(&["/dev/infiniband", "/dev/nvidia0", "/var/log", "/dev/infiniband/", "/dev/dri", "/"]);
    let mut volume = match random.below(14) {
        0 | 1 => json!({"hostPath": {"path": path}}),
        2 => json!({"secret": {"secretName": random.of(&["hf", "db", "h"])}}),
        3 => json!({"persistentVolumeClaim": {"claimName": random.of(&["data", "models"])}}),
        4 => {
            json!({"projected": {"sources": [{"secret": {"name": random.of(&["hf", "db"])}}, {"configMap": {"name": "c"}}]}})
        }
        5 => {
            json!({"csi": {"driver": "csi.example", "nodePublishSecretRef": {"name": random.of(&["hf", "db"])}}})
        }
        6 => json!({"csi": {"driver": "csi.example"}}),
        7 => json!({"cephfs": {"monitors": ["m"]}}),
        8 => json!({"nfs": {"server": "s", "path": "/p"}}),
        9 => token(json!({"path": "t"})),
        10 => token(json!({"path": "t", "audience": "https://huggingface.co"})),
        11 => json!({"configMap": {"name": "c"}}),
        _ => json!({"emptyDir": {}}),
    };
    volume["name"] = json!(format!("v{number}"));
    volume
}
