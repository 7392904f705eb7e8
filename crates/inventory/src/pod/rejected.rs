//! Fields of the wrong type: the API server refuses them, so what the author meant is judged, and the refusal is told.

use ringfence_finding::Blind;
use ringfence_finding::Reason;

use super::view::Pod;
use crate::yaml::Scalar;
use crate::yaml::Value;

/// Places told per pod; a generated manifest repeats one mistake.
const MAX_TOLD: usize = 5;

/// Booleans of a PodSpec and of a container's security context that open or close a door.
const POD_BOOLEANS: &[&str] =
    &["automountServiceAccountToken", "hostIPC", "hostNetwork", "hostPID", "hostUsers"];
const CONTAINER_BOOLEANS: &[&str] =
    &["allowPrivilegeEscalation", "privileged", "readOnlyRootFilesystem", "runAsNonRoot"];

/// Environment values that are no text (`value: yes`), and booleans written as text (`privileged: "true"`).
pub(crate) fn would_be_rejected(pod: Pod<'_>) -> Vec<Blind> {
    // Without a PodSpec the kind's own schema decides, which nobody gave.
    if pod.built_by_operator() {
        return Vec::new();
    }
    let not_text = |value: &Value<'_>| !matches!(value.scalar(), None | Some(Scalar::Str(_) | Scalar::Null));
    let not_bool =
        |value: &Value<'_>| matches!(value.scalar(), Some(Scalar::Str(text)) if !is_unresolved(text));
    let env = pod.containers().flat_map(|container| container.env().filter_map(|variable| variable.value));
    let env = env.filter(not_text).map(|value| (value, "the API wants text here: quote the value"));
    let of_pod = POD_BOOLEANS.iter().filter_map(|name| pod.get(name));
    let of_containers = pod
        .containers()
        .flat_map(|container| CONTAINER_BOOLEANS.iter().filter_map(move |name| container.security(name)));
    let booleans = of_pod.chain(of_containers).filter(not_bool);
    let booleans = booleans.map(|value| (value, "the API wants true or false here, without quotes"));
    let places = env.chain(booleans).take(MAX_TOLD);
    places
        .map(|(value, cause)| {
            Blind::new(Reason::WouldBeRejected, format!("{cause}; judged by what it says"))
                .at(pod.object().location(value))
        })
        .collect()
}

/// A variable that something fills in before the API server sees it.
fn is_unresolved(text: &str) -> bool {
    ["{{", "${", "$("].into_iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Reason;

    use crate::Inventory;

    #[test]
    fn wrong_types_are_told_at_their_place_and_right_ones_are_not() {
        let text = "apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  hostPID: \"true\"
  hostNetwork: true
  containers:
  - name: c
    image: i
    env:
    - {name: A, value: yes}
    - {name: B, value: \"yes\"}
    - {name: C, value: 8000}
    - {name: D}
    securityContext: {privileged: \"yes\", runAsNonRoot: \"${X}\", readOnlyRootFilesystem: on}
";
        let blind = Inventory::from_text(text).coverage.blind;
        let told = blind.iter().filter(|blind| blind.reason == Reason::WouldBeRejected);
        let lines: Vec<u32> = told.map(|blind| blind.location.as_ref().unwrap().line).collect();
        assert_eq!(lines, [5, 11, 13, 15]);
    }
}
