//! Every rule across fields on the server: what breaks it is refused in its words, its good twin is taken. The reading of
//! files must come to the same word.

use std::collections::BTreeSet;

use http::Method;
use http::Request;
use kube::Client;
use serde_json::Value;
use serde_json::json;

use crate::ground::turn;
use crate::lab;
use crate::wire::send;

/// Where SecurityDomains are.
pub(crate) const DOMAINS: &str = "/apis/ringfence.dev/v1alpha1/securitydomains";

/// A rule by the beginning of its message; a spec that breaks it; its good twin.
type Case = (&'static str, Value, Value);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: the definition is installed"]
async fn each_rule_across_fields_refuses_what_it_says_and_takes_its_good_twin() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let client = lab.client().await;
    let cases: Vec<Case> = namespaces_and_nodes().into_iter().chain(network()).chain(others()).collect();
    let (mut shown, mut disagree) = (BTreeSet::new(), Vec::new());
    for (rule, bad, good) in &cases {
        for (spec, is_good) in [(bad, false), (good, true)] {
            let object = object("t-rules", &merged(spec));
            let said = tried(&client, &object).await;
            match &said {
                Ok(()) => assert!(is_good, "{rule}: the server takes {spec}"),
                Err(words) => assert!(!is_good && words.contains(rule), "{rule}: {spec}: {words}"),
            }
            if reads(&object) != is_good {
                disagree.push(format!("{rule}: the reading of files on {spec}: {:?}", faults(&object)));
            }
        }
        shown.insert(*rule);
    }
    assert!(disagree.is_empty(), "{disagree:#?}");
    // The name is no part of the spec.
    let named = |name: &str| object(name, &merged(&json!({})));
    let rule = "metadata.name is also a label value";
    let (bad, good) = (named("a.b"), named(&"a".repeat(50)));
    assert!(tried(&client, &bad).await.unwrap_err().contains(rule) && !reads(&bad));
    assert!(tried(&client, &named(&"a".repeat(51))).await.unwrap_err().contains(rule));
    assert!(tried(&client, &good).await.is_ok() && reads(&good));
    shown.insert(rule);
    // A change, and what a status says.
    shown.insert(the_key_of_a_taint_that_is_on_nodes(&client).await);

    let definition = ringfence_domain::definition();
    let mut messages = Vec::new();
    collect_messages(&definition, &mut messages);
    assert!(messages.len() >= 19, "{messages:?}");
    for message in messages {
        assert!(shown.iter().any(|rule| message.starts_with(rule)), "no case shows: {message}");
    }
}

fn namespaces_and_nodes() -> Vec<Case> {
    let named = |more: Value| json!({"namespaces": more});
    let effect = |more: Value| {
        let mut nodes = json!({"taint": {"effect": "NoExecute"}});
        nodes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"nodes": nodes})
    };
    vec![
        (
            "name the namespaces: names, or a selector",
            named(json!({"names": []})),
            named(json!({"selector": {"matchLabels": {"team": "ml"}}})),
        ),
        (
            "create needs names",
            named(json!({"create": true, "selector": {"matchLabels": {"team": "ml"}}})),
            named(json!({"create": true, "names": ["ml"]})),
        ),
        (
            "kube-* namespaces and default belong to the cluster",
            named(json!({"names": ["ml", "kube-system"]})),
            named(json!({"names": ["ml", "cubes"]})),
        ),
        (
            "kube-* namespaces and default belong to the cluster",
            named(json!({"names": ["default"]})),
            named(json!({"names": ["defaults"]})),
        ),
        ("taint.effect NoExecute evicts", effect(json!({})), effect(json!({"acknowledgeEviction": true}))),
        (
            "taint.effect NoExecute evicts",
            effect(json!({"acknowledgeEviction": false})),
            json!({"nodes": {"taint": {"effect": "NoSchedule"}}}),
        ),
    ]
}

fn network() -> Vec<Case> {
    let ports = json!([{"port": 443}]);
    let egress =
        |to: Value| json!({"network": {"egress": [{"name": "a", "to": to, "ports": [{"port": 443}]}]}});
    let server = |to: bool, ports: Value| json!({"network": {"egress": [{"name": "a", "to": {"apiServer": to}, "ports": ports}]}});
    let sealed = |network: Value| json!({"tier": "Sealed", "network": network});
    let service = json!({"namespace": "a", "name": "b"});
    vec![
        (
            "a destination has exactly one of",
            egress(json!({"namespace": "a", "service": service})),
            egress(json!({"service": service})),
        ),
        ("a destination has exactly one of", egress(json!({})), egress(json!({"namespace": "a"}))),
        (
            "a cidr with prefix length 0 is everything",
            egress(json!({"cidr": "0.0.0.0/0"})),
            egress(json!({"cidr": "192.0.2.0/24"})),
        ),
        (
            "a cidr with prefix length 0 is everything",
            egress(json!({"cidr": "::/0"})),
            egress(json!({"cidr": "2001:db8::/32"})),
        ),
        ("apiServer can only be true", server(false, json!([])), server(true, json!([]))),
        ("ports are needed, except for apiServer", server(true, ports), server(true, json!([]))),
        (
            "ports are needed, except for apiServer",
            json!({"network": {"egress": [{"name": "a", "to": {"namespace": "a"}}]}}),
            egress(json!({"namespace": "a"})),
        ),
        (
            "a range with prefix length 0 is the internet",
            json!({"network": {"internalCIDRs": ["10.0.0.0/8", "::/0"]}}),
            json!({"network": {"internalCIDRs": ["10.0.0.0/8", "fd00::/8"]}}),
        ),
        (
            "spec.network.internalCIDRs is not allowed in tier Sealed",
            sealed(json!({"internalCIDRs": ["10.0.0.0/8"]})),
            sealed(json!({})),
        ),
        (
            "spec.network.internet can only be Never in tier Sealed",
            sealed(json!({"internet": "Declared"})),
            sealed(json!({"internet": "Never"})),
        ),
        (
            "spec.network.egress of tier Sealed names namespaces and services only",
            sealed(
                json!({"egress": [{"name": "a", "to": {"cidr": "10.0.0.0/8"}, "ports": [{"port": 443}]}]}),
            ),
            sealed(json!({"egress": [{"name": "a", "to": {"namespace": "a"}, "ports": [{"port": 443}]}]})),
        ),
        // No rule of ours: the server itself knows what a range is.
        (
            "spec.network.internalCIDRs[0]",
            json!({"network": {"internalCIDRs": ["10.0.0/8"]}}),
            json!({"network": {"internalCIDRs": ["10.0.0.0/8"]}}),
        ),
        (
            "spec.network.egress[0].to.cidr",
            egress(json!({"cidr": "192.0.2.0/33"})),
            egress(json!({"cidr": "192.0.2.0/32"})),
        ),
    ]
}

fn others() -> Vec<Case> {
    let subject =
        |subject: Value| json!({"access": {"roles": [{"preset": "ml-viewer", "subjects": [subject]}]}});
    let account = json!({"kind": "ServiceAccount", "name": "bot", "namespace": "ci"});
    let items = json!([{"name": "hf", "remoteKey": "team/hf"}]);
    vec![
        (
            "groups of the system (system:...)",
            subject(json!({"kind": "Group", "name": "system:authenticated"})),
            subject(json!({"kind": "Group", "name": "data"})),
        ),
        (
            "a ServiceAccount has a namespace",
            subject(json!({"kind": "ServiceAccount", "name": "bot"})),
            subject(account),
        ),
        (
            "a ServiceAccount has a namespace",
            subject(json!({"kind": "User", "name": "anna", "namespace": "ci"})),
            subject(json!({"kind": "User", "name": "anna"})),
        ),
        (
            "activeDeadlineSeconds is the time",
            json!({"jobs": {"activeDeadlineSeconds": 59}}),
            json!({"jobs": {"activeDeadlineSeconds": 60}}),
        ),
        (
            "a path below /dev, without `..`",
            json!({"podSecurity": {"enforce": "privileged", "allowDevices": ["/dev/../etc"]}}),
            json!({"podSecurity": {"enforce": "privileged", "allowDevices": ["/dev/infiniband/uverbs0"]}}),
        ),
        (
            "a time such as 1h, 30m or 1h30m",
            json!({"secrets": {"refreshInterval": ""}}),
            json!({"secrets": {"refreshInterval": "1h30m"}}),
        ),
        (
            "items need a store",
            json!({"secrets": {"items": items}}),
            json!({"secrets": {"items": items, "store": {"kind": "SecretStore", "name": "vault"}}}),
        ),
    ]
}

/// The one rule about a change. What it is called.
async fn the_key_of_a_taint_that_is_on_nodes(client: &Client) -> &'static str {
    let rule = "spec.nodes.taint.key cannot change while nodes carry the taint";
    let name = "t-rules-key";
    send(client, Method::POST, DOMAINS, &object(name, &merged(&json!({})))).await;
    let one = format!("{DOMAINS}/{name}");
    let status = |count: u32| json!({"status": {"nodes": {"tainted": count}}});
    let change = json!({"spec": {"nodes": {"taint": {"key": "example.com/gpu"}}}});
    let patch = async || {
        let request = Request::patch(&one).header("Content-Type", "application/merge-patch+json");
        client.request::<Value>(request.body(change.to_string().into_bytes()).unwrap()).await
    };
    send(client, Method::PATCH, &format!("{one}/status"), &status(1)).await;
    let refused = patch().await.unwrap_err().to_string();
    send(client, Method::PATCH, &format!("{one}/status"), &status(0)).await;
    let taken = patch().await;
    send(client, Method::DELETE, &one, &json!({})).await;
    assert!(refused.contains(rule), "{refused}");
    assert!(taken.is_ok(), "{taken:?}");
    rule
}

fn collect_messages(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key == "x-kubernetes-validations" {
                    let rules = value.as_array().unwrap().iter();
                    found.extend(rules.map(|it| it["message"].as_str().unwrap().to_owned()));
                }
                collect_messages(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|it| collect_messages(it, found)),
        _ => {}
    }
}

/// A spec over the least that is allowed.
pub(crate) fn merged(spec: &Value) -> Value {
    let mut whole = json!({"namespaces": {"names": ["ml"]}});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    whole
}

pub(crate) fn object(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain", "metadata": {"name": name}, "spec": spec})
}

/// What the server says to an object, by dry-run.
pub(crate) async fn tried(client: &Client, object: &Value) -> Result<(), String> {
    let uri = format!("{DOMAINS}?dryRun=All&fieldValidation=Strict");
    let request = Request::post(uri).header("Content-Type", "application/json");
    match client.request::<Value>(request.body(object.to_string().into_bytes()).unwrap()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// Whether a file with it passes.
pub(crate) fn reads(object: &Value) -> bool {
    faults(object).is_empty()
}

pub(crate) fn faults(object: &Value) -> Vec<String> {
    let read = ringfence_operator::read_manifest(&object.to_string());
    read.faults.iter().map(ToString::to_string).collect()
}
