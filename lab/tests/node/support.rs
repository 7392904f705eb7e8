//! What the tests of tier 2 share: a lab, namespaces of their own, objects from JSON.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::Client;
use kube::api::PostParams;
use ringfence_lab::Home;
use ringfence_lab::Node;
use serde_json::json;

pub fn node() -> Node {
    Node::attach(&home()).unwrap()
}

pub fn home() -> Home {
    Home::at(std::env::var_os("RINGFENCE_LAB").expect("RINGFENCE_LAB"))
}

pub async fn client() -> Client {
    let file = kube::config::Kubeconfig::read_from(home().kubeconfig("admin")).unwrap();
    let config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

pub async fn namespace(stem: &str, labels: &[(&str, &str)]) -> String {
    let client = client().await;
    let name = format!("t-{stem}-{}", std::process::id());
    let labels: std::collections::BTreeMap<_, _> = labels.iter().copied().collect();
    let object = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap();
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client, &name);
    ringfence_lab::until_async("default service account", std::time::Duration::from_secs(30), async || {
        accounts.get_opt("default").await.unwrap()
    })
    .await;
    name
}
