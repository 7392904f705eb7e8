//! The guide's Role gives no right to read Secrets, and the right to start a Job that reads them.

use ringfence_lab::Identity;
use ringfence_lab::need;
use ringfence_lab::until;
use serde_json::Value;

use crate::facts::DECISION;
use crate::facts::guide;
use crate::facts::runs_on;

#[test]
#[ignore = "needs lab tier 1b: runs a Job on a fake node"]
fn an_engineer_who_may_not_read_a_secret_mounts_it_in_a_job() {
    let cluster = need!(ControlPlane, destructive);
    let node = cluster.fake_node("job", 0);
    let namespace = cluster.namespace("role");
    cluster
        .apply(&guide("role.yaml").replace("namespace: ml-workloads", &format!("namespace: {namespace}")))
        .ok();
    let engineer = Identity::human(&format!("engineer-{namespace}"), &[]);
    let user = format!("--user={}", engineer.user);
    namespace.kubectl(&["create", "rolebinding", "engineer", "--role=ml-engineer", &user]).ok();
    namespace
        .kubectl(&["create", "secret", "generic", "ai-api-keys", "--from-literal=OPENAI_API_KEY=marker"])
        .ok();

    let said = namespace.kubectl_as(&engineer, &["get", "secret", "ai-api-keys"]).refused();
    assert!(said.contains("cannot get resource \"secrets\""), "{said}");
    let job = format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: train}}, spec: {{template: {{spec: {{
           restartPolicy: Never, nodeSelector: {{kubernetes.io/hostname: {}}},
           volumes: [{{name: keys, secret: {{secretName: ai-api-keys}}}}],
           containers: [{{name: train, image: train, command: [cat, /keys/OPENAI_API_KEY],
             volumeMounts: [{{name: keys, mountPath: /keys}}]}}]}}}}}}}}",
        node.name()
    );
    // The Role has no patch, which a server-side apply asks for.
    namespace.create_as(&engineer, &job).ok();

    let pod = until("pod of the Job", DECISION, || {
        let pods =
            namespace.kubectl_as(&engineer, &["get", "pods", "-l", "job-name=train", "-o", "json"]).ok();
        let pods: Value = serde_json::from_str(&pods).unwrap();
        pods["items"].as_array().unwrap().first().cloned()
    });
    let mounted = pod["spec"]["volumes"].as_array().unwrap().iter();
    assert_eq!(mounted.filter(|volume| volume["secret"]["secretName"] == "ai-api-keys").count(), 1);
    runs_on(&namespace, pod["metadata"]["name"].as_str().unwrap());
    // And what it prints is the engineer's to read.
    assert_eq!(
        namespace.kubectl_as(&engineer, &["auth", "can-i", "get", "pods", "--subresource=log"]).ok(),
        "yes\n"
    );
}

#[test]
#[ignore = "needs lab tier 1b: acts as somebody else"]
fn edit_writes_network_policies_and_neither_quotas_nor_limit_ranges() {
    let cluster = need!(ControlPlane);
    let namespace = cluster.namespace("edit");
    let editor = Identity::human(&format!("editor-{namespace}"), &[]);
    let user = format!("--user={}", editor.user);
    namespace.kubectl(&["create", "rolebinding", "editor", "--clusterrole=edit", &user]).ok();
    let may = |verb: &str, resource: &str| {
        // Its exit code says the same as its word.
        let said = namespace.kubectl_as(&editor, &["auth", "can-i", verb, resource]);
        if said.is_ok() { said.ok() } else { "no\n".to_owned() }
    };
    for verb in ["create", "update", "delete"] {
        assert_eq!(may(verb, "networkpolicies.networking.k8s.io"), "yes\n", "{verb}");
        assert_eq!(may(verb, "resourcequotas"), "no\n", "{verb}");
        assert_eq!(may(verb, "limitranges"), "no\n", "{verb}");
    }
}
