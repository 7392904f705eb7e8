//! What the guide's own examples do on a real node: its egress policy and its Role (`fixtures/guide`).

use ringfence_lab::Identity;
use ringfence_lab::Node;
use ringfence_lab::StandIn;
use ringfence_lab::Target;
use ringfence_lab::labtool_pod;
use ringfence_lab::need;
use ringfence_lab::until;

use crate::node::policy::open;
use crate::node::policy::refused;

/// A fixture of the guide, moved from the guide's namespace to one of the test's.
fn fixture(text: &str, namespace: &str) -> String {
    assert!(text.contains("namespace: ml-workloads"), "{text}");
    text.replace("namespace: ml-workloads", &format!("namespace: {namespace}"))
}

#[test]
#[ignore = "needs lab tier 2: a real enforcer"]
fn the_egress_policy_of_the_guide_closes_the_internet_and_leaves_the_cluster_open() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let [ml, other] = ["ml", "other"].map(|stem| cluster.namespace(stem));
    let inference = [("app", "model-inference")];
    let selected = node.run(&ml, &labtool_pod("inference", &inference, &["pause"]));
    let beside = node.run(&ml, &labtool_pod("beside", &[("app", "notebook")], &["pause"]));
    let web = node
        .run(&other, &labtool_pod("web", &[], &["serve", "443", "web", "+", "serve", "5432", "database"]));

    let internet = StandIn::Internet.addresses().map(|ip| Target::tcp(ip, 443));
    let cluster_inside = [
        Target::tcp(web.v4, 443),
        Target::tcp(web.v4, 5432),
        Target::tcp(Node::ADDRESSES[0], Node::API_PORT),
    ];
    let web_over_six = [Target::tcp(web.v6, 443)];
    let metadata = [Target::http(StandIn::Metadata.v4(), 80, "/latest/meta-data/")];
    assert_eq!(node.probe(&selected, &internet), open(&["internet", "internet"]));
    assert_eq!(node.probe(&selected, &web_over_six), open(&["web"]));
    assert!(node.probe(&selected, &metadata)[0].is_open());

    ml.apply(&fixture(include_str!("../../../../fixtures/guide/egress.yaml"), ml.name())).ok();
    // In force: internet and metadata are closed to the pods it selects.
    let closed = [internet.to_vec(), web_over_six.to_vec(), metadata.to_vec()].concat();
    node.until_reached(&selected, &closed, &refused(&closed));
    // 10.0.0.0/8 without ports is the whole cluster: another namespace, any port, and the API server.
    assert_eq!(node.probe(&selected, &cluster_inside), open(&["web", "database", ""]));
    // And the other pods of the same namespace are as free as before.
    assert_eq!(node.probe(&beside, &internet), open(&["internet", "internet"]));
}

#[test]
#[ignore = "needs lab tier 2: a real enforcer"]
fn whoever_may_label_a_namespace_opens_the_policy_of_the_guide_to_it() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let [ml, other] = ["ml", "other"].map(|stem| cluster.namespace(stem));
    let selected = node.run(&ml, &labtool_pod("inference", &[("app", "model-inference")], &["pause"]));
    let thief =
        node.run(&other, &labtool_pod("thief", &[], &["serve", "443", "thief", "+", "serve", "80", "plain"]));
    // Over IPv6: over IPv4 the policy's 10.0.0.0/8 lets everything through anyway.
    let door = [Target::tcp(thief.v6, 443)];
    let beside = [Target::tcp(thief.v6, 80)];
    ml.apply(&fixture(include_str!("../../../../fixtures/guide/egress.yaml"), ml.name())).ok();
    node.until_reached(&selected, &door, &refused(&door));

    // A namespace editor: may patch this one namespace, and nothing of the pipeline's.
    let editor = Identity::human("web-team", &[]);
    other
        .apply(&format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: namespace-editor}}
rules: [{{apiGroups: [''], resources: [namespaces], resourceNames: [{other}], verbs: [get, patch]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: namespace-editor}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: namespace-editor}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: web-team}}]
"
        ))
        .ok();
    let words = ["label", "namespace", other.name(), "name=model-registry"];
    until("the role to be known", std::time::Duration::from_secs(10), || {
        cluster.kubectl_as(&editor, &words).is_ok().then_some(())
    });
    cluster.kubectl_as(&editor, &["label", "namespace", ml.name(), "name=model-registry"]).refused();
    node.until_reached(&selected, &door, &open(&["thief"]));
    assert_eq!(node.probe(&selected, &beside), refused(&beside), "only the port that the policy names");
}

#[test]
#[ignore = "needs lab tier 2: containers"]
fn the_role_of_the_guide_reads_a_secret_through_a_job() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let ml = cluster.namespace("ml");
    let engineer = Identity::human("engineer", &["ml-engineers"]);
    ml.apply(&fixture(include_str!("../../../../fixtures/guide/role.yaml"), ml.name())).ok();
    ml.apply(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: ml-engineers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ml-engineer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: ml-engineers}]
---
apiVersion: v1
kind: Secret
metadata: {name: ai-api-keys}
stringData: {OPENAI_API_KEY: synthetic-value-of-the-lab}
",
    )
    .ok();
    let direct = ml.kubectl_as(&engineer, &["get", "secret", "ai-api-keys"]).refused();
    assert!(direct.contains("Forbidden"), "{direct}");

    let job = "
apiVersion: batch/v1
kind: Job
metadata: {name: train}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: lab.local/labtool:1
          imagePullPolicy: Never
          args: [env, OPENAI_API_KEY]
          envFrom: [{secretRef: {name: ai-api-keys}}]
";
    ml.create_as(&engineer, job).ok();
    let pod = until("the pod of the Job", std::time::Duration::from_secs(30), || {
        let names = ["get", "pods", "--selector", "job-name=train", "--output", "name"];
        ml.kubectl_as(&engineer, &names).ok().trim().strip_prefix("pod/").map(str::to_owned)
    });
    assert_eq!(node.ended(ml.name(), &pod).exit_code, 0);
    assert_eq!(ml.kubectl_as(&engineer, &["logs", &pod]).ok(), "synthetic-value-of-the-lab\n");
}
