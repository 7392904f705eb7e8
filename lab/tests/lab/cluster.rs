//! The cluster is a real one: version, rights, audit, encryption at rest, tokens, webhooks, restarts.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use ringfence_lab::Component;
use ringfence_lab::Identity;
use ringfence_lab::Options;
use ringfence_lab::Tier;
use ringfence_lab::need;
use ringfence_lab::until;

use crate::place::PATIENCE;

#[test]
#[ignore = "needs lab tier 1a: asks its version"]
fn is_the_version_that_the_module_pins() {
    let cluster = need!(Api, own);
    let module = include_str!("../../go.mod");
    let pinned = module.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes ")).unwrap();
    assert_eq!(cluster.version(), pinned);
    assert!(pinned.starts_with("v1.36."));
}

#[tokio::test]
#[ignore = "needs lab tier 1b: acts as others"]
async fn rights_are_those_of_the_impersonated_user_and_the_audit_log_tells() {
    let cluster = need!(ControlPlane, own);
    let namespace = cluster.namespace("rights");
    let mut audit = cluster.audit();
    let anna = Identity::human(&format!("anna-{namespace}"), &["readers"]);
    namespace.kubectl(&["create", "rolebinding", "readers", "--clusterrole=view", "--group=readers"]).ok();

    let secrets: Api<Secret> = Api::namespaced(cluster.client_as(&anna).await, namespace.name());
    let refused = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused}");
    namespace.kubectl_as(&anna, &["get", "pods"]).ok();
    let said = namespace.apply_as(&anna, "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}").refused();
    assert!(said.contains("cannot patch resource \"configmaps\""), "{said}");
    // The same through a file, as other programs use it.
    let kubeconfig = cluster.kubeconfig_as(&anna);
    let who =
        cluster.kubectl(&["--kubeconfig", kubeconfig.to_str().unwrap(), "auth", "whoami", "-o", "json"]).ok();
    assert!(who.contains(&anna.user) && who.contains("readers"), "{who}");

    let event = audit.wait("the refused list", PATIENCE, |event| {
        event.user() == anna.user && event.verb() == "list" && event.resource() == "secrets"
    });
    assert_eq!((event.code(), event.namespace()), (403, namespace.name()));
    let verbs = |events: Vec<ringfence_lab::AuditEvent>| -> Vec<String> {
        let here = events.into_iter().filter(|event| event.namespace() == namespace.name());
        here.map(|event| format!("{} {}", event.verb(), event.resource())).collect()
    };
    let by_kubectl = verbs(audit.of_agent("kubectl"));
    assert!(by_kubectl.contains(&"list pods".into()) && by_kubectl.contains(&"create rolebindings".into()));
    assert!(!by_kubectl.contains(&"list secrets".into()), "that was not kubectl: {by_kubectl:?}");
}

#[test]
#[ignore = "needs lab tier 1a: looks into etcd"]
fn secrets_lie_encrypted_in_etcd_and_config_maps_do_not() {
    let cluster = need!(Api, own);
    let namespace = cluster.namespace("etcd");
    namespace.kubectl(&["create", "secret", "generic", "key", "--from-literal=value=plain-as-day"]).ok();
    namespace.kubectl(&["create", "configmap", "open", "--from-literal=value=plain-as-day"]).ok();
    let holds = |bytes: &[u8]| bytes.windows(12).any(|window| window == b"plain-as-day");
    let secret = cluster.etcd_raw(&format!("/registry/secrets/{namespace}/key")).unwrap();
    assert!(secret.starts_with(b"k8s:enc:aescbc:v1:k1:") && !holds(&secret));
    let open = cluster.etcd_raw(&format!("/registry/configmaps/{namespace}/open")).unwrap();
    assert!(holds(&open), "the search finds what is there");
    assert_eq!(cluster.etcd_raw("/registry/secrets/nowhere/nothing"), None);
}

#[test]
#[ignore = "needs lab tier 1b: asks for a token"]
fn tokens_of_service_accounts_are_accepted() {
    let cluster = need!(ControlPlane, own);
    let namespace = cluster.namespace("token");
    let token = namespace.kubectl(&["create", "token", "default"]).ok();
    // A kubeconfig without a client certificate, or that one wins over the token.
    let original = std::fs::read(cluster.kubeconfig()).unwrap();
    let mut file: serde_json::Value = serde_json::from_slice(&original).unwrap();
    file["users"][0]["user"] = serde_json::json!({"token": token.trim()});
    let path = cluster.folder().join(format!("run/{namespace}.kubeconfig"));
    std::fs::write(&path, file.to_string()).unwrap();
    let who = cluster.kubectl(&["--kubeconfig", path.to_str().unwrap(), "auth", "whoami", "-o", "json"]).ok();
    assert!(who.contains(&format!("system:serviceaccount:{namespace}:default")), "{who}");
}

#[test]
#[ignore = "needs lab tier 1a: adds a webhook"]
fn the_api_server_reaches_a_listener_of_the_test() {
    let cluster = need!(Api, own);
    let namespace = cluster.namespace("hook");
    let listener = cluster.listen();
    let address = listener.local_addr().unwrap();
    let webhook = format!(
        "{{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration,
           metadata: {{name: {namespace}}}, webhooks: [{{
             name: hook.lab.test, sideEffects: None, admissionReviewVersions: [v1],
             failurePolicy: Fail, timeoutSeconds: 2, clientConfig: {{url: 'https://{address}/'}},
             namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}},
             rules: [{{apiGroups: [''], apiVersions: [v1], resources: [configmaps], operations: [CREATE]}}]}}]}}"
    );
    cluster.apply(&webhook).ok();
    let called = std::thread::spawn(move || listener.accept().unwrap().1);
    // Webhooks reach the API server by a watch: the first writes may pass.
    let mut count = 0;
    until("a write that the webhook stops", PATIENCE, || {
        count += 1;
        let name = format!("written-{count}");
        let write = namespace.kubectl(&["create", "configmap", &name]);
        (!write.is_ok()).then_some(())
    });
    assert!(called.join().unwrap().ip().is_ipv4(), "the API server has called");
    cluster.kubectl(&["delete", "validatingwebhookconfiguration", namespace.name()]).ok();
}

#[test]
#[ignore = "needs lab tier 1b: crashes components of its own lab"]
fn a_crashed_component_comes_back_with_everything_it_knew() {
    let options = Options {
        tier: Some(Tier::ControlPlane),
        apiserver_flags: vec!["--max-requests-inflight=399".into()],
        ..Options::default()
    };
    let lab = need!(private options);
    let pid = |component: &str| {
        let status = lab.status();
        let components = status["components"].as_array().unwrap().clone();
        let found = components.into_iter().find(|each| each["name"] == component);
        found.map(|found| found["process"]["pid"].as_i64().unwrap())
    };
    let server = pid("kube-apiserver").unwrap();
    let flags = std::fs::read_to_string(format!("/proc/{server}/cmdline")).unwrap();
    assert!(flags.contains("--max-requests-inflight=399"), "{flags}");
    lab.kubectl(&["create", "configmap", "memory"]).ok();
    let controllers = pid("kube-controller-manager").unwrap();

    lab.kill(Component::ApiServer);
    assert_eq!(pid("kube-apiserver"), None);
    lab.kubectl(&["get", "configmap", "memory", "--request-timeout=5s"]).refused();
    lab.restart(Component::ApiServer);
    lab.kubectl(&["get", "configmap", "memory"]).ok();

    lab.kill(Component::Etcd);
    lab.restart(Component::Etcd);
    lab.kubectl(&["get", "configmap", "memory"]).ok();

    lab.restart(Component::ControllerManager);
    assert_ne!(pid("kube-controller-manager").unwrap(), controllers);
    // The new one works: it makes the account without which no namespace is ready.
    drop(lab.namespace("again"));
}

#[test]
#[ignore = "needs lab tier 1b: waits for controllers"]
fn a_fake_node_runs_its_pods_and_lets_them_go() {
    let cluster = need!(ControlPlane, destructive);
    let node = cluster.fake_node("runs", 0);
    let namespace = cluster.namespace("runs");
    let deployment = format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: 3,
           selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}},
           spec: {{nodeSelector: {{kubernetes.io/hostname: {}}}, containers: [{{name: web, image: web}}]}}}}}}}}",
        node.name()
    );
    namespace.apply(&deployment).ok();
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    let pods = || namespace.kubectl(&["get", "pods", "--no-headers"]).ok();
    let running = pods().lines().filter(|line| line.split_whitespace().nth(1) == Some("1/1")).count();
    assert_eq!(running, 3, "{}", pods());
    // A real deletion: with a grace period that a kubelet ends.
    namespace.kubectl(&["scale", "deployment/web", "--replicas=1"]).ok();
    until("two pods fewer", PATIENCE, || (pods().lines().count() == 1).then_some(()));
}
