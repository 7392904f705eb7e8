//! What only a real kubelet and a real runtime do: run, speak, be killed for memory, be given a resource.

use k8s_openapi::api::core::v1::Pod;
use ringfence_lab::File;
use ringfence_lab::Image;
use ringfence_lab::Node;
use ringfence_lab::labtool_pod;
use ringfence_lab::need;
use ringfence_lab::until;
use serde_json::json;

#[test]
#[ignore = "needs lab tier 2: containers"]
fn a_command_in_a_pod_gives_its_output_and_exit_code_and_the_log_what_the_container_said() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let namespace = cluster.namespace("exec");
    let pod = node.run(&namespace, &labtool_pod("web", &[], &["serve", "8080", "hello"]));
    assert_eq!(node.exec(&pod, &["/bin/labtool", "check", "127.0.0.1", "8080"]).ok(), "OPEN hello\n");
    let said = node.exec(&pod, &["/bin/labtool", "env", "NOT_SET"]).refused();
    assert!(said.contains("exit code 2"), "{said}");
    let visit = until("the visit in the log", std::time::Duration::from_secs(10), || {
        node.logs(&pod).lines().next().map(str::to_owned)
    });
    assert!(visit.starts_with("tcp [::ffff:127.0.0.1]:8080 from [::ffff:127.0.0.1]:"), "{visit}");
}

#[test]
#[ignore = "needs lab tier 2: containers"]
fn an_image_of_the_test_runs_and_a_pod_names_it_by_the_digest_of_its_config() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let namespace = cluster.namespace("image");
    let program = std::fs::read(node.labtool()).unwrap();
    let tool = File { path: "bin/tool".into(), bytes: program, mode: 0o755 };
    let note = File { path: "etc/note".into(), bytes: b"baked in".to_vec(), mode: 0o644 };
    let packed = node.image(&Image {
        name: "lab.local/note:1".into(),
        entry: ["/bin/tool", "cat", "/etc/note"].map(String::from).to_vec(),
        files: vec![tool, note],
        links: Vec::new(),
    });
    let mut pod = labtool_pod("note", &[], &[]);
    let spec = pod.spec.as_mut().unwrap();
    spec.containers[0].image = Some("lab.local/note:1".into());
    spec.restart_policy = Some("Never".into());
    node.create(&namespace, &pod);
    assert_eq!(node.ended(namespace.name(), "note").exit_code, 0);
    assert_eq!(namespace.kubectl(&["logs", "note"]).ok(), "baked in");
    let id =
        namespace.kubectl(&["get", "pod", "note", "-o", "jsonpath={.status.containerStatuses[0].imageID}"]);
    // No registry, no manifest digest: who pins images must not rely on this field alone.
    assert_eq!(id.ok(), packed.config);
    assert_ne!(packed.config, packed.manifest);
}

#[test]
#[ignore = "needs lab tier 2: containers"]
fn a_container_that_takes_more_memory_than_its_limit_is_killed() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let namespace = cluster.namespace("oom");
    let eater = |name: &str, limit: &str| -> Pod {
        let mut pod = labtool_pod(name, &[], &["eat", "64", "+", "sleep", "0.5"]);
        let spec = pod.spec.as_mut().unwrap();
        spec.restart_policy = Some("Never".into());
        spec.containers[0].resources = serde_json::from_value(json!({"limits": {"memory": limit}})).unwrap();
        pod
    };
    node.create(&namespace, &eater("too-much", "32Mi"));
    node.create(&namespace, &eater("enough", "256Mi"));
    let killed = node.ended(namespace.name(), "too-much");
    assert_eq!((killed.reason.as_deref(), killed.exit_code), (Some("OOMKilled"), 137));
    assert_eq!(node.ended(namespace.name(), "enough").exit_code, 0);
    assert_eq!(namespace.kubectl(&["logs", "enough"]).ok(), "ate 64 MiB\n");
}

#[test]
#[ignore = "needs lab tier 2: a kubelet"]
fn a_pod_that_asks_for_a_gpu_runs_once_the_node_has_one() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let namespace = cluster.namespace("gpu");
    let asking = |name: &str| -> Pod {
        let mut pod = labtool_pod(name, &[], &["pause"]);
        let limits = json!({"limits": {"lab.example/gpu": "1"}});
        pod.spec.as_mut().unwrap().containers[0].resources = serde_json::from_value(limits).unwrap();
        pod
    };
    node.create(&namespace, &asking("first"));
    let why = |name: &str| {
        let condition = "jsonpath={.status.conditions[?(@.type=='PodScheduled')].message}";
        namespace.kubectl(&["get", "pod", name, "-o", condition]).ok()
    };
    until("why the pod waits", std::time::Duration::from_secs(30), || {
        why("first").contains("Insufficient lab.example/gpu").then_some(())
    });
    node.set_extended("lab.example/gpu", 1);
    node.running(namespace.name(), "first");
    node.create(&namespace, &asking("second"));
    until("why the second pod waits", std::time::Duration::from_secs(30), || {
        why("second").contains("Insufficient lab.example/gpu").then_some(())
    });
    node.set_extended("lab.example/gpu", 0);
}
