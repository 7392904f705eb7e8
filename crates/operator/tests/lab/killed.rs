//! A controller whose process dies at one of its writes: the next one ends what it began. Two runs: each number of write of
//! a domain's life with a successor that is left alone, and a life in which every write is the last of a process.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use kube::Client;
use ringfence_lab::ControlPlane;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::until_async;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::config;
use crate::ground::identity;
use crate::ground::turn;
use crate::lab;
use crate::wire::Mortal;
use crate::wire::read;
use crate::wire::send;

/// The user that all of them are: policies know the controller by its name.
const WHO: &str = "controller-killed";
/// More writes than this would be a loop.
const MOST: usize = 120;
/// Where a domain has objects of its own, each with `{ns}` for its namespace.
const PLACES: [&str; 5] = [
    "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
    "/api/v1/namespaces/{ns}/limitranges",
    "/api/v1/namespaces/{ns}/resourcequotas",
    "/api/v1/namespaces/{ns}/serviceaccounts",
];
/// Policies and bindings, each pair one after the other.
const POLICIES: [&str; 4] = [
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
];
/// What is in the namespace and no domain wrote.
const THEIRS: &str = "
{apiVersion: v1, kind: ResourceQuota, metadata: {name: theirs}, spec: {hard: {pods: '9'}}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: theirs},
 spec: {podSelector: {matchLabels: {app: theirs}}, policyTypes: [Ingress]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: theirs}, subjects:
 [{kind: User, name: anna, apiGroup: rbac.authorization.k8s.io}], roleRef:
 {kind: ClusterRole, name: view, apiGroup: rbac.authorization.k8s.io}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts, fake nodes"]
async fn killed_at_each_of_its_writes_it_is_followed_by_one_that_converges() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let place = Place::new(lab, "killed").await;
    // It keeps the policies in place, so that the writes counted are those of one domain.
    let other = lab.namespace("killed-other");
    let running = place.start();
    let standing = Domain::new(
        lab,
        other.name(),
        "Enforce",
        &json!({"nodes": {"selector": {"matchLabels": {"no": "node"}}}}),
    );
    standing.settled();
    drop(running);

    let before = place.theirs().await;
    // How many writes it takes until the domain stands, and until it is gone.
    let (mut up, mut down) = (None, None);
    for at in 1..MOST {
        let case = format!("write {at} of its creation");
        place.create().await;
        let mortal = place.mortal().await;
        mortal.dies_at(at);
        let running = Running::with(mortal.client(), config(WHO));
        if place.until_dead_or(&mortal, true).await {
            up.get_or_insert(at - 1);
        }
        drop(running);
        place.nothing_is_orphaned(&case).await;
        assert_eq!(place.theirs().await, before, "{case}");

        let mortal = place.mortal().await;
        let running = Running::with(mortal.client(), config(WHO));
        place.until_settled(&case).await;
        assert_eq!(place.ours().await, place.wanted(), "{case}");
        assert_eq!(place.inventory().await, place.wanted(), "{case}");

        let case = format!("write {at} of its end");
        mortal.dies_at(at);
        place.delete().await;
        if place.until_dead_or(&mortal, false).await {
            down.get_or_insert(at - 1);
        }
        drop(running);
        place.nothing_is_orphaned(&case).await;
        let running = place.start();
        place.until_gone(&case).await;
        assert_eq!(place.ours().await, BTreeSet::new(), "{case}");
        assert_eq!(place.theirs().await, before, "{case}");
        drop(running);
        if up.is_some() && down.is_some() {
            break;
        }
    }
    let objects = Some(place.wanted().len());
    assert!(up > objects && down > objects, "{up:?} and {down:?} writes for {objects:?} objects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts, fake nodes"]
async fn processes_that_live_for_one_write_each_bring_a_domain_and_its_policies_up_and_down() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let place = Place::new(lab, "one-write").await;
    // No policies of a test before.
    let running = place.start();
    place.until_no_policies().await;
    drop(running);

    let before = place.theirs().await;
    place.create().await;
    for standing in [true, false] {
        let mut lives = 0;
        loop {
            let mortal = place.mortal().await;
            mortal.dies_at(1);
            let running = Running::with(mortal.client(), config(WHO));
            let done = if standing {
                place.until_dead_or(&mortal, true).await
            } else {
                until_async("it dies or all is gone", SOON, async || {
                    if mortal.is_dead() {
                        return Some(false);
                    }
                    (place.state().await.is_none() && place.policies().await.is_empty()).then_some(true)
                })
                .await
            };
            drop(running);
            let case = format!("standing {standing}, life {lives}");
            place.nothing_is_orphaned(&case).await;
            place.every_binding_has_its_policy(&case).await;
            assert_eq!(place.theirs().await, before, "{case}");
            if done {
                break;
            }
            lives += 1;
            assert!(lives < MOST, "more writes than objects");
        }
        // Its own objects, policies with their bindings, finalizer, inventory, status.
        let objects = place.wanted().len() + if standing { place.policies().await.len() } else { 0 };
        assert!(lives > objects, "{lives} lives for {objects} objects");
        if standing {
            assert_eq!(place.ours().await, place.wanted());
            assert_eq!(place.inventory().await, place.wanted());
            assert!(place.policies().await.len() > POLICIES.len());
            place.delete().await;
        }
    }
    assert_eq!(place.ours().await, BTreeSet::new());
}

/// A namespace and a node with things of others, and the domain that comes and goes over them.
struct Place<'a> {
    lab: &'a ControlPlane,
    client: Client,
    controller: Client,
    namespace: ringfence_lab::Namespace<'a>,
    node: ringfence_lab::FakeNode,
}

impl<'a> Place<'a> {
    async fn new(lab: &'a ControlPlane, stem: &str) -> Self {
        let namespace = lab.namespace(stem);
        let name = namespace.name();
        // Policies of a test before know another controller.
        lab.kubectl(&["delete", "validatingadmissionpolicybindings", "--all"]).ok();
        namespace.apply(THEIRS).ok();
        lab.kubectl(&["label", "namespace", name, "team=vision"]).ok();
        let mut node = FakeNodeSpec::new(format!("{name}-1"), 8);
        node.labels.insert("pool".into(), name.to_owned());
        let node = lab.fake_node_with(node);
        lab.kubectl(&["taint", "node", node.name(), "karpenter.sh/unregistered:NoExecute"]).ok();
        let (client, controller) = (lab.client().await, lab.client_as(&identity(WHO)).await);
        Self { lab, client, controller, namespace, node }
    }

    /// A controller that is left alone. It has the name of the one that died, as a container that is started again has: it
    /// need not wait for the lease.
    fn start(&self) -> Running {
        Running::with(self.controller.clone(), config(WHO))
    }

    /// A controller that will die.
    async fn mortal(&self) -> Mortal {
        Mortal::new(self.lab.client_as(&identity(WHO)).await)
    }

    /// A new domain, in Enforce past the gate.
    async fn create(&self) {
        let name = self.namespace.name();
        let domain = json!({
            "apiVersion": "ringfence.dev/v1alpha1",
            "kind": "SecurityDomain",
            "metadata": {"name": name},
            "spec": {
                "namespaces": {"names": [name], "deletionPolicy": "Delete"},
                "enforcement": {"mode": "Enforce"},
                "quota": {"pods": 5},
                "limits": {"default": {"cpu": "1"}},
                "access": {"roles": [{"preset": "ml-viewer", "subjects": [{"kind": "Group", "name": "data"}]}]},
                "nodes": {"selector": {"matchLabels": {"pool": name}}},
            },
        });
        send(&self.client, Method::POST, DOMAINS, &domain).await;
        let status = json!({"status": {"effectiveModes": {"mode": "Enforce"}}});
        send(&self.client, Method::PATCH, &format!("{DOMAINS}/{name}/status"), &status).await;
    }

    async fn delete(&self) {
        let uri = format!("{DOMAINS}/{}", self.namespace.name());
        send(&self.client, Method::DELETE, &uri, &json!({})).await;
    }

    /// The domain.
    async fn state(&self) -> Option<Value> {
        read(&self.client, &format!("{DOMAINS}/{}", self.namespace.name())).await
    }

    async fn is_settled(&self) -> bool {
        let Some(domain) = self.state().await else { return false };
        let conditions = domain["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().find(|it| it["type"] == "Ready");
        ready.is_some_and(|it| {
            it["status"] == "True" && it["observedGeneration"] == domain["metadata"]["generation"]
        })
    }

    /// Whether the domain stands (`standing`) or is gone, or else the controller is dead.
    async fn until_dead_or(&self, mortal: &Mortal, standing: bool) -> bool {
        until_async("it dies or is done", SOON, async || {
            if mortal.is_dead() {
                return Some(false);
            }
            let done = if standing { self.is_settled().await } else { self.state().await.is_none() };
            // Its last write may be what made it so.
            done.then(|| !mortal.is_dying())
        })
        .await
    }

    async fn until_settled(&self, case: &str) {
        until_async(&format!("{case}: settled"), SOON, async || self.is_settled().await.then_some(())).await;
    }

    async fn until_gone(&self, case: &str) {
        until_async(&format!("{case}: gone"), SOON, async || self.state().await.is_none().then_some(()))
            .await;
    }

    async fn until_no_policies(&self) {
        let none = async || self.policies().await.is_empty().then_some(());
        until_async("no policies", Duration::from_secs(30), none).await;
    }

    /// What carries a mark of ours, as an inventory names it.
    async fn ours(&self) -> BTreeSet<String> {
        let all = self.all().await.into_iter();
        all.filter(|(_, object)| object.to_string().contains("ringfence")).map(|(name, _)| name).collect()
    }

    /// What should carry one.
    fn wanted(&self) -> BTreeSet<String> {
        let (namespace, node) = (self.namespace.name(), self.node.name());
        let own = [
            format!("Namespace/{namespace}"),
            format!("Node/{node}"),
            format!("Node/{node}/nvidia.com/gpu=true:NoSchedule"),
        ];
        let rest = [
            "LimitRange/rf-limits",
            "NetworkPolicy/rf-allow-dns",
            "NetworkPolicy/rf-default-deny",
            "NetworkPolicy/rf-egress",
            "NetworkPolicy/rf-ingress",
            "ResourceQuota/rf-quota",
            "RoleBinding/rf-ml-viewer",
            "ServiceAccount/default",
        ];
        own.into_iter().chain(rest.map(str::to_owned)).collect()
    }

    async fn inventory(&self) -> BTreeSet<String> {
        let domain = self.state().await.unwrap_or_default();
        let entries = domain["status"]["inventory"].as_array().cloned().unwrap_or_default();
        let objects = entries.iter().flat_map(|it| it["objects"].as_array().cloned().unwrap_or_default());
        let objects: BTreeSet<String> = objects.map(|it| it.as_str().unwrap().to_owned()).collect();
        // A node with its taint stands for the node as well.
        let nodes = objects.iter().filter(|it| it.starts_with("Node/"));
        let nodes: BTreeSet<String> =
            nodes.map(|it| it.split('/').take(2).collect::<Vec<_>>().join("/")).collect();
        objects.into_iter().chain(nodes).collect()
    }

    async fn nothing_is_orphaned(&self, case: &str) {
        let (ours, inventory) = (self.ours().await, self.inventory().await);
        assert!(ours.is_subset(&inventory), "{case}: {ours:?} of {inventory:?}");
    }

    /// What others wrote: their objects, and their part of what two share.
    async fn theirs(&self) -> Vec<Value> {
        let mut shared = Vec::new();
        for (name, object) in self.all().await {
            if name.ends_with("/theirs") {
                let metadata = &object["metadata"];
                shared.push(json!([
                    name,
                    metadata["uid"],
                    metadata["labels"],
                    object["spec"],
                    object["subjects"]
                ]));
            }
            for map in ["labels", "annotations"] {
                let known = object["metadata"][map].as_object().cloned().unwrap_or_default();
                let foreign =
                    known.into_iter().filter(|(key, _)| !is_ours(key) && !key.contains("last-applied"));
                let foreign: BTreeMap<String, Value> = foreign.collect();
                let shares = ["Namespace/", "Node/", "ServiceAccount/"];
                if shares.iter().any(|it| name.starts_with(it)) && name.split('/').count() == 2 {
                    shared.push(json!([name, map, foreign]));
                }
            }
            let taints = object["spec"]["taints"].as_array().cloned().unwrap_or_default();
            shared.extend(taints.into_iter().filter(|it| it["key"] == "karpenter.sh/unregistered"));
        }
        shared
    }

    /// Everything there is, by the name that an inventory has for it.
    async fn all(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        let name = self.namespace.name();
        for place in PLACES {
            let list = read(&self.client, &place.replace("{ns}", name)).await.unwrap();
            let kind = list["kind"].as_str().unwrap().trim_end_matches("List").to_owned();
            for mut object in list["items"].as_array().cloned().unwrap() {
                object["metadata"].as_object_mut().unwrap().remove("managedFields");
                all.insert(format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap()), object);
            }
        }
        let mut own = read(&self.client, &format!("/api/v1/namespaces/{name}")).await.unwrap();
        own["metadata"].as_object_mut().unwrap().remove("managedFields");
        all.insert(format!("Namespace/{name}"), own);
        let mut node = read(&self.client, &format!("/api/v1/nodes/{}", self.node.name())).await.unwrap();
        node["metadata"].as_object_mut().unwrap().remove("managedFields");
        node.as_object_mut().unwrap().remove("status");
        // Our taint is a mark too: without the label it would be an orphan that no search for a name finds.
        for taint in
            node["spec"]["taints"].as_array().into_iter().flatten().filter(|it| it["key"] == "nvidia.com/gpu")
        {
            let text = |key: &str| taint[key].as_str().unwrap_or_default();
            let words = format!("{}={}:{}", text("key"), text("value"), text("effect"));
            all.insert(format!("Node/{}/{words}", self.node.name()), json!({"by": "ringfence"}));
        }
        all.insert(format!("Node/{}", self.node.name()), node);
        all
    }

    /// Our policies and bindings: plural and name, with the policy that a binding names.
    async fn policies(&self) -> BTreeMap<(&'static str, String), String> {
        let mut found = BTreeMap::new();
        for plural in POLICIES {
            let uri = format!(
                "/apis/admissionregistration.k8s.io/v1/{plural}?labelSelector=app.kubernetes.io/managed-by%3Dringfence"
            );
            let list = read(&self.client, &uri).await.unwrap();
            for object in list["items"].as_array().unwrap() {
                let named = object["spec"]["policyName"].as_str().unwrap_or_default();
                found.insert(
                    (plural, object["metadata"]["name"].as_str().unwrap().to_owned()),
                    named.to_owned(),
                );
            }
        }
        found
    }

    /// A binding without its policy refuses nothing, or everything.
    async fn every_binding_has_its_policy(&self, case: &str) {
        let all = self.policies().await;
        for ((plural, name), policy) in all.iter().filter(|it| !it.1.is_empty()) {
            let kind = plural.replace("bindings", "");
            let policies = POLICIES
                .iter()
                .find(|it| it.starts_with(kind.trim_end_matches('y')) && !it.ends_with("bindings"));
            assert!(
                all.contains_key(&(*policies.unwrap(), policy.clone())),
                "{case}: {name} names {policy}: {all:?}"
            );
        }
    }
}

/// Where SecurityDomains are.
const DOMAINS: &str = "/apis/ringfence.dev/v1alpha1/securitydomains";

/// Whether a label or annotation is one that a domain writes.
fn is_ours(key: &str) -> bool {
    key.contains("ringfence")
        || key.starts_with("pod-security.kubernetes.io/")
        || key.starts_with("app.kubernetes.io/")
}
