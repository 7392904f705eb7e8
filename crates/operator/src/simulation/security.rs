//! Room `operator`: running pods below a Pod Security level, by the API server's own judgement: the label is put on each
//! namespace by dry-run, and what it warns of is read.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::client::Body;
use kube::core::Request;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Desired;
use ringfence_domain::DesiredObject;
use ringfence_domain::Violation;
use ringfence_domain::names;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Requests at the same time.
const CONCURRENCY: usize = 8;
/// Longest time of one answer; the API server takes a second for a namespace with thousands of pods.
const PATIENCE: Duration = Duration::from_secs(10);
/// Labels of the level that is refused below.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// Asks for each namespace of a domain in which pods run. What could not be learned goes to `missing`, in words.
pub(super) async fn violations(
    client: &Client,
    facts: &ClusterFacts,
    running: &BTreeSet<&str>,
    enforced: &Desired,
    domain: &str,
    missing: &mut Vec<String>,
) -> Vec<Violation> {
    let namespaces =
        enforced.objects.iter().filter(|it| it.id.kind == "Namespace" && it.domain() == Some(domain));
    let is_new = |it: &&DesiredObject| {
        let live = facts.namespaces.iter().flatten().find(|live| live.name == it.id.name);
        live.is_none_or(|live| {
            level(it)
                .iter()
                .any(|(key, level)| live.labels.get(key) != level.as_str().map(str::to_owned).as_ref())
        })
    };
    let asked: Vec<_> = namespaces
        .filter(|it| running.contains(it.id.name.as_str()))
        .filter(is_new)
        .map(|it| one(client, it))
        .collect();
    let mut violations = Vec::new();
    let mut answers = futures::stream::iter(asked).buffered(CONCURRENCY);
    while let Some((namespace, answer)) = answers.next().await {
        match answer.and_then(|lines| read(namespace, &lines)) {
            Ok(found) => violations.extend(found),
            Err(words) => missing.push(format!("Pod Security of {namespace}: {words}")),
        }
    }
    violations
}

async fn one<'a>(client: &Client, object: &'a DesiredObject) -> (&'a str, Result<Vec<String>, String>) {
    let name = object.id.name.as_str();
    let level = level(object);
    if level.is_empty() {
        return (name, Ok(Vec::new()));
    }
    let body = json!({"metadata": {"labels": level}});
    let answer = tokio::time::timeout(PATIENCE, warnings(client, name, &body)).await;
    (name, answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))))
}

/// Labels of the level that is refused below.
fn level(object: &DesiredObject) -> Map<String, Value> {
    let labels = object.body.tree().pointer_mut("/metadata/labels").map(Value::take).unwrap_or_default();
    let level = labels.as_object().into_iter().flatten().filter(|(key, _)| key.starts_with(ENFORCE));
    level.map(|(key, level)| (key.clone(), level.clone())).collect()
}

/// Warnings of a change of a namespace that is not made. A namespace that is not there yet has no pods.
async fn warnings(client: &Client, name: &str, body: &Value) -> Result<Vec<String>, String> {
    let params = PatchParams {
        dry_run: true,
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    let request = Request::new("/api/v1/namespaces").patch(name, &params, &Patch::Merge(body));
    let request = request.map_err(|error| error.to_string())?.map(Body::from);
    let answer = client.send(request).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    if head.status.as_u16() == 404 {
        return Ok(Vec::new());
    }
    if !head.status.is_success() {
        let body = body.collect_bytes().await.map_err(|error| error.to_string())?;
        let status: Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = status.get("message").and_then(Value::as_str).map(str::to_owned);
        return Err(message.unwrap_or_else(|| head.status.to_string()));
    }
    let texts = head.headers.get_all("warning").into_iter();
    Ok(texts.filter_map(|it| text(&String::from_utf8_lossy(it.as_bytes()))).collect())
}

/// The text of a Warning header (RFC 7234, section 5.5): `299 - "..."`.
fn text(header: &str) -> Option<String> {
    let quoted = header.strip_prefix("299 - \"")?;
    let mut text = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some(text),
            '\\' => text.extend(letters.next()),
            _ => text.push(letter),
        }
    }
    None
}

/// Pods in what Pod Security admission says: `pod: reasons`, `pod (and 3 other pods): reasons` (its `decoratePodWarnings`).
fn read(namespace: &str, lines: &[String]) -> Result<Vec<Violation>, String> {
    let mut found = Vec::new();
    for line in lines {
        if line.starts_with("existing pods in namespace") || line.contains("ValidatingAdmissionPolicy") {
            continue;
        }
        // It gives up after three thousand pods or a second, and says so.
        if line.contains("only checked against the first") || line.starts_with("failed to") {
            return Err(line.clone());
        }
        let unknown = || {
            format!(
                "a warning that Pod Security does not give, so pods below the level cannot be told from others: {line}; \
                 if a webhook gives it, exempt changes of {ENFORCE} labels there"
            )
        };
        let Some((pods, message)) = line.split_once(": ") else { return Err(unknown()) };
        let (pod, others) = match pods.split_once(" (and ") {
            None => (pods, 0),
            Some((pod, others)) => {
                let count = others.split(' ').next().and_then(|it| it.parse().ok());
                (pod, count.ok_or_else(unknown)?)
            }
        };
        if pod.contains(' ') {
            return Err(unknown());
        }
        found.push(Violation {
            namespace: namespace.into(),
            pod: pod.into(),
            pods: 1_u32.saturating_add(others),
            message: message.into(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_read_from_warnings() {
        let lines = [
            "existing pods in namespace \"ml\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a (and 2 other pods): hostPath volumes (volume \"x\")",
            "b: privileged",
        ];
        let found = read("ml", &lines.map(str::to_owned)).unwrap();
        let said: Vec<_> = found.iter().map(|it| (it.pod.as_str(), it.pods, it.message.as_str())).collect();
        assert_eq!(said, [("a", 3, "hostPath volumes (volume \"x\")"), ("b", 1, "privileged")]);
    }

    #[test]
    fn what_was_not_looked_at_is_not_clean() {
        for line in [
            "new PodSecurity enforce level only checked against the first 3000 of 4000 existing pods",
            "failed to list pods while checking new PodSecurity enforce level",
            "something that nobody knows",
            "some words: and more",
        ] {
            assert!(read("ml", &[line.to_owned()]).is_err(), "{line}");
        }
    }

    #[test]
    fn a_header_is_unquoted() {
        assert_eq!(text(r#"299 - "a \"b\" \\ c""#).unwrap(), r#"a "b" \ c"#);
        assert_eq!(text("199 - \"a\""), None);
        assert_eq!(text("299 - \"a"), None);
    }
}
