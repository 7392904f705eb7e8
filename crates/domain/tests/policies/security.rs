//! The judgement of templates by Pod Security in Rust against the API server's own, on pods that do one or several of the things
//! that a level refuses.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use ringfence_domain::Asked;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Rules;
use ringfence_domain::SecurityDomain;
use ringfence_domain::Subject;
use ringfence_domain::desired;
use ringfence_domain::simulate;
use ringfence_domain::spec::Mode;
use ringfence_fixture::Random;
use serde_json::Value;
use serde_json::json;

use crate::twins::merge;
use crate::world::world;

const PODS: usize = 600;
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/main";

/// A pod that `restricted` takes.
fn hardened() -> Value {
    json!({
        "containers": [{
            "name": "main", "image": "it",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        }],
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
    })
}

/// What is merged into the spec, and into its container: what is refused somewhere, and what looks so.
fn changes() -> Vec<(Value, Value)> {
    let none = || json!({});
    let of_pod = |fields: Value| (json!({"securityContext": fields}), json!({}));
    let of_container = |fields: Value| (json!({}), json!({"securityContext": fields}));
    let volume = |source: Value| {
        let mut volume = json!({"name": "v"});
        merge(&mut volume, &source);
        (json!({"volumes": [volume]}), json!({}))
    };
    let http = |host: Value| json!({"httpGet": {"port": 80, "host": host}});
    vec![
        (none(), none()),
        (json!({"hostNetwork": true}), none()),
        (json!({"hostPID": true}), none()),
        (json!({"hostIPC": true}), none()),
        (json!({"hostUsers": false}), none()),
        (json!({"hostUsers": true}), none()),
        of_pod(json!({"runAsNonRoot": null})),
        of_pod(json!({"runAsNonRoot": false})),
        of_pod(json!({"runAsUser": 0})),
        of_pod(json!({"runAsUser": 1000})),
        of_pod(json!({"seccompProfile": null})),
        of_pod(json!({"seccompProfile": {"type": "Unconfined"}})),
        of_pod(json!({"appArmorProfile": {"type": "Unconfined"}})),
        of_pod(json!({"appArmorProfile": {"type": "RuntimeDefault"}})),
        of_pod(json!({"seLinuxOptions": {"type": "spc_t"}})),
        of_pod(json!({"seLinuxOptions": {"type": "container_t", "level": "s0"}})),
        of_pod(json!({"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1 2 3"}]})),
        of_pod(json!({"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})),
        of_container(json!({"allowPrivilegeEscalation": null})),
        of_container(json!({"allowPrivilegeEscalation": true})),
        of_container(json!({"privileged": true, "allowPrivilegeEscalation": null})),
        of_container(json!({"capabilities": {"drop": null}})),
        of_container(json!({"capabilities": {"drop": ["KILL"]}})),
        of_container(json!({"capabilities": {"add": ["NET_BIND_SERVICE"]}})),
        of_container(json!({"capabilities": {"add": ["CHOWN"]}})),
        of_container(json!({"capabilities": {"add": ["NET_RAW"]}})),
        of_container(json!({"runAsNonRoot": false})),
        of_container(json!({"runAsNonRoot": true, "runAsUser": 0})),
        of_container(json!({"procMount": "Default"})),
        of_container(json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}})),
        of_container(json!({"seccompProfile": {"type": "Unconfined"}})),
        of_container(json!({"seLinuxOptions": {"user": "system_u"}})),
        of_container(json!({"seLinuxOptions": {"role": "system_r"}})),
        (none(), json!({"ports": [{"containerPort": 80, "hostPort": 80}]})),
        (none(), json!({"ports": [{"containerPort": 80}]})),
        (none(), json!({"livenessProbe": http(json!("10.0.0.1"))})),
        (none(), json!({"readinessProbe": http(Value::Null)})),
        (none(), json!({"lifecycle": {"preStop": http(json!("localhost"))}})),
        (none(), json!({"startupProbe": {"tcpSocket": {"port": 80, "host": "10.0.0.1"}}})),
        volume(json!({})),
        volume(json!({"emptyDir": {}})),
        volume(json!({"hostPath": {"path": "/srv"}})),
        volume(json!({"nfs": {"server": "store", "path": "/"}})),
        volume(json!({"csi": {"driver": "it.example"}})),
        volume(json!({"projected": {"sources": []}})),
        (json!({"hostUsers": false}), json!({"securityContext": {"procMount": "Unmasked"}})),
    ]
}

/// A spec, and what its AppArmor annotation says.
fn pod(random: &mut Random) -> (Value, Option<&'static str>) {
    let changes = changes();
    let mut spec = hardened();
    for _ in 0..random.below(4) {
        let (of_pod, of_container) = &changes[random.below(changes.len())];
        merge(&mut spec, of_pod);
        let last = spec["containers"].as_array_mut().unwrap().last_mut().unwrap();
        merge(last, of_container);
    }
    if random.below(4) == 0 {
        // A second container or one that runs before: what the first does not say need not be said.
        let mut second = spec["containers"][0].clone();
        second["name"] = json!("second");
        second.as_object_mut().unwrap().remove("ports");
        let (_, change) = &changes[random.below(changes.len())];
        merge(&mut second, change);
        if random.below(2) == 0 {
            for probe in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] {
                second.as_object_mut().unwrap().remove(probe);
            }
            spec["initContainers"] = json!([second]);
        } else {
            spec["containers"].as_array_mut().unwrap().push(second);
        }
    }
    let profiles = ["unconfined", "runtime/default", "localhost/it"];
    let profile = (random.below(8) == 0).then(|| profiles[random.below(profiles.len())]);
    (spec, profile)
}

fn predicted(level: &str, spec: &Value, profile: Option<&str>) -> BTreeSet<String> {
    let domain = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
        "metadata": {"name": "it"}, "spec": {"namespaces": {"names": ["it"]}, "podSecurity": {"enforce": level}}});
    let domain: SecurityDomain = serde_json::from_value(domain).unwrap();
    let (asked, facts) = ([Asked::new(&domain, Mode::Enforce)], ClusterFacts::default());
    let subject = Subject {
        namespace: "it".into(),
        owner: "Deployment/it".into(),
        pod_spec: spec.clone(),
        app_armor: profile.into_iter().map(str::to_owned).collect(),
        ..Subject::default()
    };
    let rules = Rules::of(&asked, &facts);
    let simulation =
        simulate(&desired(&asked, &facts), "it", &rules, &[subject], &[], Some(Vec::new())).unwrap();
    let reasons = simulation.denied.iter().flat_map(|it| &it.reasons);
    let words = reasons.filter_map(|it| it.message.strip_prefix("violates PodSecurity ")?.split_once(": "));
    words.flat_map(|(_, words)| words.split(", ").map(str::to_owned)).collect()
}

/// The reasons in a refusal: each stands before its details.
fn reasons(said: &str) -> BTreeSet<String> {
    const ALL: [&str; 18] = [
        "allowPrivilegeEscalation != false",
        "forbidden AppArmor profile",
        "forbidden sysctls",
        "host namespaces",
        "hostPath volumes",
        "hostPort",
        "hostProcess",
        "non-default capabilities",
        "privileged",
        "probe or lifecycle host",
        "procMount",
        "restricted volume types",
        "runAsNonRoot != true",
        "runAsUser=0",
        "seLinuxOptions",
        "seccompProfile",
        "unrestricted capabilities",
        "forbidden AppArmor profiles",
    ];
    let (_, said) = said.split_once(":latest\": ").unwrap();
    let found =
        ALL.iter().filter(|it| said.starts_with(&format!("{it} (")) || said.contains(&format!(", {it} (")));
    found.map(|it| it.trim_end_matches('s').to_owned()).collect()
}

#[test]
#[ignore = "needs lab tier 1b: creates 1,200 pods, dry"]
fn templates_are_judged_by_pod_security_as_the_api_server_judges_pods() {
    let Some(lab) = world() else { return };
    let levels = ["baseline", "restricted"];
    for level in levels {
        let labels = json!({"pod-security.kubernetes.io/enforce": level});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": format!("psa-{level}"), "labels": labels}});
        lab.apply(&namespace.to_string()).ok();
        ringfence_lab::until("account default", std::time::Duration::from_mins(1), || {
            let account = ["get", "sa", "default", "-n", &format!("psa-{level}")];
            lab.kubectl(&account).is_ok().then_some(())
        });
    }
    let mut random = Random::new(0x1234_5678_9abc_def1);
    let pods: Vec<_> = (0..PODS).map(|_| pod(&mut random)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told: Vec<Option<BTreeSet<String>>> = runtime.block_on(async {
        let client = lab.client().await;
        let asked = levels.iter().flat_map(|level| pods.iter().map(move |pod| (level, pod)));
        let asked = asked.map(|(level, (spec, profile))| {
            let api: Api<Pod> = Api::namespaced(client.clone(), &format!("psa-{level}"));
            let notes = profile.map(|it| json!({APP_ARMOR: it})).unwrap_or_default();
            let object = json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "it", "annotations": notes}, "spec": spec});
            async move {
                let pod: Pod = serde_json::from_value(object).unwrap();
                let dry = PostParams { dry_run: true, ..PostParams::default() };
                match api.create(&dry, &pod).await {
                    Ok(_) => Some(BTreeSet::new()),
                    Err(kube::Error::Api(status)) if status.code == 403 => Some(reasons(&status.message)),
                    // What the API server takes for no pod at all shows nothing.
                    Err(kube::Error::Api(status)) if status.code == 422 => None,
                    Err(error) => panic!("{error}: {spec}"),
                }
            }
        });
        let asked: Vec<_> = asked.collect();
        futures::stream::iter(asked).buffered(8).collect().await
    });
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut wrong = Vec::new();
    let asked = levels.iter().flat_map(|level| pods.iter().map(move |pod| (level, pod)));
    for ((level, (spec, profile)), told) in asked.zip(told) {
        let Some(told) = told else { continue };
        let said: BTreeSet<String> =
            predicted(level, spec, *profile).iter().map(|it| it.trim_end_matches('s').to_owned()).collect();
        for reason in told.iter().map(String::as_str).chain(told.is_empty().then_some("nothing")) {
            *seen.entry(reason.to_owned()).or_default() += 1;
        }
        if said != told {
            wrong.push(format!("{level}: Rust {said:?}, the server {told:?}: {profile:?} {spec}"));
        }
    }
    println!("{seen:#?}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // All but `hostProcess`, which needs a pod for Windows, and `nothing`.
    assert!(seen.len() == 17 && seen.values().all(|count| *count >= 5), "{seen:#?}");
}
