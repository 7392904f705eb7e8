//! Strangers on GPU nodes (guide 7 to 10, hole 1): each of them lands there and runs, and none does once the node belongs to
//! a domain. Who belongs there gets in with nothing written for it.

use ringfence_lab::Identity;
use ringfence_lab::Namespace;
use ringfence_lab::Node;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::get;
use crate::ground::soon;
use crate::stage::ACTS;
use crate::stage::GPU;
use crate::stage::Stage;
use crate::stage::gpus;
use crate::stage::pod;

/// What happens to a stranger once there is a domain.
#[derive(Clone, Copy)]
enum Fate {
    /// It is created, and runs elsewhere.
    Elsewhere,
    /// It is refused; kubectl says so in these words.
    Refused(&'static str),
}

/// Pods of people outside, by what they do to get onto a GPU node.
fn strangers() -> Vec<(Value, Fate)> {
    let path = "/var/run/nvidia-container-devices/all";
    let volume = json!({"volumes": [{"name": "gpus", "emptyDir": {}}]});
    let mount = json!({"volumeMounts": [{"name": "gpus", "mountPath": path}]});
    let devices = json!({"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]});
    vec![
        (pod("plain", &json!({}), &json!({})), Fate::Elsewhere),
        (pod("sees-devices", &json!({}), &devices), Fate::Elsewhere),
        (
            pod("names-node", &json!({"nodeName": Node::NAME}), &json!({})),
            Fate::Refused("RF-GPU-024 spec.nodeName: places the pod past the scheduler"),
        ),
        (
            pod("tolerates-all", &json!({"tolerations": [{"operator": "Exists"}]}), &json!({})),
            Fate::Refused("RF-GPU-002 spec.tolerations: tolerates the GPU taint outside a security domain"),
        ),
        (
            pod("mounts-devices", &volume, &mount),
            Fate::Refused("RF-GPU-025 volumeMounts: a path below nvidia-container-devices"),
        ),
    ]
}

fn daemon_set(name: &str, spec: &Value) -> Value {
    let labels = json!({"app": name});
    let mut template = pod("", spec, &json!({}));
    template["metadata"] = json!({"labels": labels});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        },
    })
}

/// Nodes of the pods with a label.
fn nodes_of(shop: &Namespace<'_>, app: &str) -> Vec<String> {
    let path = "jsonpath={range .items[*]}{.spec.nodeName}{\"\\n\"}{end}";
    let selector = format!("app={app}");
    let text = shop.kubectl(&["get", "pods", "--selector", &selector, "--output", path]).ok();
    text.lines().filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn node_of(namespace: &Namespace<'_>, pod: &str) -> String {
    namespace.kubectl(&["get", "pod", pod, "--output=jsonpath={.spec.nodeName}"]).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: a kubelet"]
async fn strangers_run_on_gpu_nodes_until_the_node_belongs_to_a_domain() {
    let Some(stage) = Stage::enter().await else { return };
    let (lab, node) = (stage.lab, &stage.node);
    let [shop, ml] = ["shop", "ml"].map(|stem| lab.namespace(stem));
    let developer = person(&shop, "developer");
    node.set_extended(GPU, 2);
    lab.kubectl(&["label", "node", Node::NAME, "pool=gpu", "--overwrite"]).ok();
    let sets = || {
        [
            daemon_set("agent", &json!({})),
            daemon_set("agent-everywhere", &json!({"tolerations": [{"operator": "Exists"}]})),
        ]
    };

    // Without a domain each of them runs there: a real container, in which something can be done.
    for object in strangers().into_iter().map(|it| it.0).chain(sets()) {
        shop.create_as(&developer, &object.to_string()).ok();
    }
    for (object, _) in strangers() {
        let running = node.running(shop.name(), object["metadata"]["name"].as_str().unwrap());
        node.exec(&running, &["/bin/labtool", "sleep", "0"]).ok();
        assert_eq!(node_of(&shop, &running.name), Node::NAME);
    }
    for set in ["agent", "agent-everywhere"] {
        until(set, ACTS, || (nodes_of(&shop, set) == [Node::NAME]).then_some(()));
    }
    shop.kubectl(&["delete", "daemonsets,pods", "--all", "--wait=true"]).ok();

    let controller = stage.controller().await;
    let elsewhere = lab.fake_node("cpu", 0);
    let more = json!({"nodes": {"selector": {"matchLabels": {"pool": "gpu"}}}});
    let domain = Domain::new(lab, ml.name(), "Enforce", &more);
    domain.settled();
    stage.acts(&ml);
    until("pods outside are judged", ACTS, || {
        (!stage.dry_run(shop.name(), &strangers()[2].0).is_ok()).then_some(())
    });
    assert_eq!(domain.get().unwrap()["status"]["nodes"], json!({"selected": 1, "labelled": 1, "tainted": 1}));

    for (object, fate) in strangers() {
        let name = object["metadata"]["name"].as_str().unwrap();
        let done = shop.create_as(&developer, &object.to_string());
        match fate {
            Fate::Refused(words) => {
                let said = done.refused();
                assert!(said.contains(words) && said.contains("Fix: remove "), "{name}: {said}");
            }
            Fate::Elsewhere => {
                done.ok();
                until(name, ACTS, || (node_of(&shop, name) == elsewhere.name()).then_some(()));
            }
        }
    }
    let [plain, everywhere] = sets().map(|set| shop.create_as(&developer, &set.to_string()));
    assert_eq!(plain.stderr(), "");
    // Nobody's workload is refused outside a domain, but its author reads what will become of its pods.
    assert!(everywhere.is_ok() && everywhere.stderr().contains("RF-GPU-002"), "{}", everywhere.stderr());
    until("agent", ACTS, || (nodes_of(&shop, "agent") == [elsewhere.name()]).then_some(()));
    until("the event of the DaemonSet", ACTS, || {
        let about = "involvedObject.name=agent-everywhere";
        shop.kubectl(&["get", "events", "--field-selector", about]).ok().contains("RF-GPU-002").then_some(())
    });
    assert_eq!(nodes_of(&shop, "agent-everywhere"), Vec::<String>::new());
    // Not in all of this did one of them come onto the node.
    let there = format!("--field-selector=spec.nodeName={}", Node::NAME);
    assert_eq!(shop.kubectl(&["get", "pods", &there, "--output=name"]).ok(), "");
    stage.end();
    controller.end().await;
    node.set_extended(GPU, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: a kubelet"]
async fn a_job_with_nothing_but_a_gpu_runs_on_the_node_of_its_domain() {
    let Some(stage) = Stage::enter().await else { return };
    let (lab, node) = (stage.lab, &stage.node);
    let ml = lab.namespace("ml");
    let anna = Identity::human("anna", &["data-science"]);
    node.set_extended(GPU, 2);
    lab.kubectl(&["label", "node", Node::NAME, "pool=gpu", "--overwrite"]).ok();
    let controller = stage.controller().await;
    let elsewhere = lab.fake_node("gpu-of-others", 8);
    let more = json!({
        "nodes": {"selector": {"matchLabels": {"pool": "gpu"}}},
        "access": {"roles": [{"preset": "ml-engineer", "subjects": [{"kind": "Group", "name": "data-science"}]}]},
    });
    let domain = Domain::new(lab, ml.name(), "Enforce", &more);
    domain.settled();
    stage.acts(&ml);

    // What its author wrote names no node, no toleration and no memory.
    let mut template = pod("", &json!({"restartPolicy": "Never"}), &gpus(1, "64Mi"));
    template.as_object_mut().unwrap().retain(|key, _| key == "spec");
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "train"},
        "spec": {"template": template}});
    until("the role is known", ACTS, || {
        ml.kubectl_as(&anna, &["auth", "can-i", "create", "jobs"]).is_ok().then_some(())
    });
    ml.create_as(&anna, &job.to_string()).ok();
    let name = until("the pod of the Job", ACTS, || {
        let words = ["get", "pods", "--selector=job-name=train", "--output=name"];
        ml.kubectl_as(&anna, &words).ok().trim().strip_prefix("pod/").map(str::to_owned)
    });
    let running = node.running(ml.name(), &name);
    let stored = get(lab, &["-n", ml.name(), "pod", &name]).unwrap();
    assert_eq!(stored["spec"]["nodeName"], Node::NAME, "and not on {}", elsewhere.name());
    let label = "node-restriction.kubernetes.io/ringfence-domain";
    assert_eq!(stored["spec"]["nodeSelector"], json!({label: ml.name()}));
    let toleration = json!({"key": GPU, "operator": "Exists", "effect": "NoSchedule"});
    assert!(stored["spec"]["tolerations"].as_array().unwrap().contains(&toleration));
    // Shared memory as it is in the container: half of its limit, where the runtime's own has 64 MiB.
    let mounts = node.exec(&running, &["/bin/labtool", "cat", "/proc/mounts"]).ok();
    let shm = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/dev/shm")).unwrap();
    assert!(shm.contains("size=32768k"), "{shm}");

    // Inside, GPUs are asked for in one way only.
    for (object, _) in strangers().iter().filter(|it| it.0["metadata"]["name"] != "plain") {
        let said = stage.dry_run(ml.name(), object).refused();
        assert!(said.contains("denied request: RF-GPU-0") && said.contains("Fix: "), "{said}");
    }
    stage.end();
    // And it runs on, without its fences, as long as it runs.
    let after = soon(lab, &["-n", ml.name(), "pod", &name], |it| it["status"]["phase"] == "Running");
    assert_eq!(after["status"]["containerStatuses"], stored["status"]["containerStatuses"]);
    controller.end().await;
    node.set_extended(GPU, 0);
}

/// Somebody who may edit a namespace, and nothing else.
pub(crate) fn person(namespace: &Namespace<'_>, name: &str) -> Identity {
    let user = format!("--user={name}");
    namespace.kubectl(&["create", "rolebinding", name, "--clusterrole=edit", &user]).ok();
    let who = Identity::human(name, &[]);
    until("the role is known", ACTS, || {
        namespace.kubectl_as(&who, &["auth", "can-i", "create", "pods"]).is_ok().then_some(())
    });
    who
}
