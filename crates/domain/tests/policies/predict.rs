//! The judgement in Rust against the API server: the same pods, both sides of every rule. A refusal carries the first rule that
//! fails, and so does the audit log; warnings carry all of them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::Client;
use kube::api::PostParams;
use kube::client::Body;
use kube::core::Request;
use ringfence_domain::Rules;
use ringfence_domain::Subject;
use ringfence_domain::simulate;
use ringfence_fixture::Random;
use ringfence_fixture::pod_spec;
use ringfence_lab::ControlPlane;
use serde_json::Value;
use serde_json::json;

use crate::world::ENFORCED;
use crate::world::FREE;
use crate::world::OUTSIDE;
use crate::world::WARNED;
use crate::world::asked;
use crate::world::domains;
use crate::world::facts;
use crate::world::wanted;
use crate::world::world;

const PODS: usize = 2000;

#[test]
#[ignore = "needs lab tier 1b: creates 2000 pods, dry"]
fn the_simulation_predicts_what_the_api_server_says() {
    let Some(lab) = world() else { return };
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let namespaces = [
        (ENFORCED, "enforced"),
        (WARNED, "warned"),
        (OUTSIDE, "enforced"),
        (WARNED, "warned"),
        (FREE, "free"),
    ];
    let pods: Vec<_> = (0..PODS).map(|number| (namespaces[number % 5], pod_spec(&mut random))).collect();
    let told = told(lab, &pods);
    let mut disagreements = Vec::new();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (number, (((namespace, domain), spec), told)) in pods.iter().zip(told).enumerate() {
        let mut predicted = predicted(namespace, domain, spec);
        if *namespace != WARNED {
            predicted.truncate(1);
        }
        let predicted: BTreeSet<_> = predicted.into_iter().collect();
        for reason in &told {
            *seen.entry(reason.clone()).or_default() += 1;
        }
        if told.is_empty() {
            *seen.entry("nothing".into()).or_default() += 1;
        }
        if predicted != told {
            let (more, less): (Vec<_>, Vec<_>) =
                (predicted.difference(&told).collect(), told.difference(&predicted).collect());
            disagreements
                .push(format!("{number} {namespace}: only Rust {more:?}, only the server {less:?}: {spec}"));
        }
    }
    println!("{seen:#?}");
    assert!(disagreements.is_empty(), "{} of {PODS}:\n{}", disagreements.len(), disagreements.join("\n"));
    // A generator that breaks no rule, or every pod, would show nothing.
    assert!(seen.len() == RULES && seen.values().all(|count| *count >= 10), "{} {seen:#?}", seen.len());
}

/// Beginnings of messages that differ, and `nothing`: all rules that one Pod can break. The deadline is a Job's, and the
/// selector that is filled in cannot be missing.
const RULES: usize = 27;

/// Enough of a message to tell it from all others; a server with much to warn of cuts each warning short.
fn beginning(message: &str) -> String {
    message.chars().take(BEGINNING).collect()
}

const BEGINNING: usize = 70;

fn predicted(namespace: &str, domain: &str, spec: &Value) -> Vec<String> {
    let domains = domains();
    let rules = Rules::of(&asked(&domains), &facts());
    let subject = Subject {
        namespace: namespace.into(),
        owner: "Pod/it".into(),
        pod_spec: spec.clone(),
        ..Subject::default()
    };
    let simulation = simulate(&wanted(), domain, &rules, &[subject], &[], Some(Vec::new())).unwrap();
    assert_eq!(simulation.judged, 1);
    simulation.denied.iter().flat_map(|it| &it.reasons).map(|it| beginning(&it.message)).collect()
}

/// What the server says of each pod.
fn told(lab: &ControlPlane, pods: &[((&str, &str), Value)]) -> Vec<BTreeSet<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = lab.client().await;
        let requests = pods.iter().map(|((namespace, _), spec)| {
            let client = client.clone();
            async move {
                if *namespace == WARNED {
                    warnings(&client, namespace, spec).await
                } else {
                    refusal(client, namespace, spec).await.into_iter().collect()
                }
            }
        });
        futures::stream::iter(requests).buffered(8).collect().await
    })
}

fn pod(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "it"}, "spec": spec})
}

fn dry() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

async fn refusal(client: Client, namespace: &str, spec: &Value) -> Option<String> {
    let pod: Pod = serde_json::from_value(pod(spec)).unwrap();
    match Api::namespaced(client, namespace).create(&dry(), &pod).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let reason = status.message.split_once("denied request: ").map(|(_, reason)| beginning(reason));
            Some(reason.unwrap_or(status.message.clone()))
        }
        Err(error) => panic!("no verdict of a policy: {error}: {spec}"),
    }
}

async fn warnings(client: &Client, namespace: &str, spec: &Value) -> BTreeSet<String> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let request = Request::new(path).create(&dry(), pod(spec).to_string().into_bytes()).unwrap();
    let answer = client.send(request.map(Body::from)).await.unwrap();
    assert_eq!(answer.status(), 201, "{spec}");
    let warnings = answer.headers().get_all("warning").iter().map(|it| it.to_str().unwrap().to_owned());
    let ours = warnings.filter_map(|it| Some(beginning(it.split_once("-warn': ")?.1)));
    ours.collect()
}
