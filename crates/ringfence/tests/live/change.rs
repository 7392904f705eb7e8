//! `scan PATH --on-cluster`: manifests judged as if they were applied, and `--save` with its replay.

use crate::lab;
use crate::support::Folder;

const POLICY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";

fn pod(name: &str, privileged: bool) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  containers:
  - {{name: server, image: 'registry.example/vllm/vllm-openai:v1', securityContext: {{privileged: {privileged}}}}}
"
    )
}

#[test]
#[ignore = "needs lab tier 1b: files are laid over a live cluster"]
fn files_are_judged_as_if_they_were_applied() {
    let Some(lab) = lab() else { return };
    let namespace = lab.namespace("change");
    let name = namespace.name();
    namespace.apply(&pod("old", true)).ok();
    let open = |ran: &crate::Ran| -> Vec<(String, String)> {
        crate::fails(&ran.json()).into_iter().filter(|(_, object)| object.contains(name)).collect()
    };
    let has = |fails: &[(String, String)], control: &str, object: &str| {
        fails.iter().any(|(id, found)| id == control && found.ends_with(object))
    };
    let today = open(&crate::run(lab, &["scan", "--format", "json"]));
    assert!(has(&today, "RF-NET-001", name) && has(&today, "RF-RUN-001", "/old"), "{today:?}");

    let folder = Folder::new("change");
    let new = folder.write("new.yaml", pod("new", true) + "---" + POLICY);
    let ran = crate::run(lab, &["scan", &new, "--on-cluster", "-n", name, "--format", "json"]);
    let fails = open(&ran);
    // The new pod is told; the old one, which the files do not touch, is not; the policy closes the namespace.
    assert!(has(&fails, "RF-RUN-001", "/new"), "{fails:?}");
    assert!(!has(&fails, "RF-RUN-001", "/old"), "{fails:?}");
    assert!(!has(&fails, "RF-NET-001", name), "{fails:?}");
    let blind = ran.json()["coverage"]["blind"].to_string();
    assert!(blind.contains("they close 1 of its findings"), "{blind}");

    // A file takes the place of the object of its name.
    let mended = folder.write("mended.yaml", pod("old", false));
    let ran = crate::run(lab, &["scan", &mended, "--on-cluster", "-n", name, "--format", "json"]);
    assert!(!has(&open(&ran), "RF-RUN-001", "/old"), "{ran:#?}");
    // Nothing was written.
    assert!(!namespace.kubectl(&["get", "pods", "--output=name"]).ok().contains("new"));
}

#[test]
#[ignore = "needs lab tier 1b: a live cluster is saved and scanned again"]
fn a_saved_scan_gives_the_same_findings_and_holds_no_key() {
    let Some(lab) = lab() else { return };
    let namespace = lab.namespace("saved");
    let keys = ["openai-project", "anthropic-api", "huggingface"].map(|detector| {
        ringfence_secret::synthetic::key(detector, 7).unwrap_or_else(|| panic!("no detector {detector}"))
    });
    for (index, key) in keys.iter().enumerate() {
        let name = format!("settings-{index}");
        let map = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{app.env: 'KEY={key}'}}\n"
        );
        namespace.apply(&map).ok();
    }
    namespace.apply(&pod("trainer", true)).ok();
    let folder = Folder::new("saved");
    let file = folder.write("cluster.ringfence", "");
    let live = crate::run(lab, &["scan", "-n", namespace.name(), "--format", "json", "--save", &file]);
    let saved = std::fs::read_to_string(&file).unwrap();
    for key in &keys {
        assert!(!saved.contains(key.as_str()), "a key stands in the file");
    }
    // The replay talks to nobody: it runs without a kubeconfig.
    let replay = crate::support::run(&["scan", &file, "--format", "json"]);
    let (live, replay) = (live.json(), replay.json());
    assert!(live["findings"].as_array().unwrap().len() >= keys.len(), "{live:#}");
    assert_eq!(live["findings"], replay["findings"]);
    assert_eq!(live["verdict"], replay["verdict"]);
    assert_eq!(live["exit"], replay["exit"]);

    // A file that was cut is no whole cluster.
    let cut = folder.write("cut.ringfence", &saved[..saved.len() / 2]);
    let ran = crate::support::run(&["scan", &cut, "--format", "json"]);
    assert_eq!(ran.json()["coverage"]["complete"], false);
}
