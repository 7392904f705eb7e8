//! Room `inventory`: what a pod or job says, without what differs from one to the next of the same maker: its name, its
//! node, the suffix of its token volume; and whether a pod says what its template says.

#[cfg(feature = "cluster")]
use std::fmt::Write as _;

#[cfg(feature = "cluster")]
use crate::yaml::Scalar;
use crate::yaml::Value;

/// The owner reference of the controller that made an object.
pub(crate) fn controller(object: Value<'_>) -> Option<Value<'_>> {
    let references = object.at(&["metadata", "ownerReferences"])?;
    references.items().find(|one| one.get("controller").and_then(Value::as_bool) == Some(true))
}

/// Labels that controllers and the API server put on each pod.
const LABELS: &[&str] = &[
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// Annotations that differ from pod to pod: places in the network, times, indexes.
const ANNOTATIONS: &[&str] = &[
    "batch.kubernetes.io/job-completion-index",
    "cni.projectcalico.org/",
    "k8s.ovn.org/",
    "k8s.v1.cni.cncf.io/network-status",
    "k8s.v1.cni.cncf.io/networks-status",
    "ovn.kubernetes.io/",
    "vpc.amazonaws.com/",
];

/// Volumes that the API server adds to every pod end in five letters of chance.
const TOKEN_VOLUME: &str = "kube-api-access-";

fn is_of_one_pod(key: &str, list: &[&str]) -> bool {
    list.iter().any(|known| if known.ends_with('/') { key.starts_with(known) } else { key == *known })
}

/// What an object says, in a form in which two can be compared.
#[cfg(feature = "cluster")]
pub(super) fn shape(object: Value<'_>) -> String {
    let metadata = |key: &str| object.at(&["metadata", key]).and_then(Value::text).unwrap_or("");
    let writer = Writer {
        name: metadata("name"),
        uid: metadata("uid"),
        node: object.at(&["spec", "nodeName"]).and_then(Value::text).unwrap_or(""),
    };
    let mut out = String::new();
    for (key, list) in [("labels", LABELS), ("annotations", ANNOTATIONS)] {
        let entries = object.at(&["metadata", key]).into_iter().flat_map(Value::entries);
        for (name, value) in entries.filter(|(name, _)| !is_of_one_pod(name, list)) {
            write_key(name, &mut out);
            writer.value(value, &mut out);
        }
        out.push(';');
    }
    for (key, value) in object.get("spec").into_iter().flat_map(Value::entries) {
        if !matches!(key, "nodeName" | "hostname") {
            write_key(key, &mut out);
            writer.value(value, &mut out);
        }
    }
    out
}

#[cfg(feature = "cluster")]
fn write_key(key: &str, out: &mut String) {
    let _ = write!(out, "{}:{key}", key.len());
}

#[cfg(feature = "cluster")]
struct Writer<'o> {
    name: &'o str,
    uid: &'o str,
    node: &'o str,
}

#[cfg(feature = "cluster")]
impl Writer<'_> {
    /// Trees are at most 128 levels deep.
    fn value(&self, value: Value<'_>, out: &mut String) {
        if value.is_mapping() {
            out.push('{');
            for (key, value) in value.entries() {
                write_key(key, out);
                self.value(value, out);
            }
            out.push('}');
        } else if value.is_sequence() {
            out.push('[');
            for item in value.items() {
                self.value(item, out);
            }
            out.push(']');
        } else {
            self.scalar(value, out);
        }
    }

    fn scalar(&self, value: Value<'_>, out: &mut String) {
        let Some(Scalar::Str(text)) = value.scalar() else {
            let _ = write!(out, "!{}", value.text().unwrap_or("null"));
            return;
        };
        let text = match text {
            _ if text.starts_with(TOKEN_VOLUME) => TOKEN_VOLUME.to_owned(),
            _ if !self.node.is_empty() && text == self.node => "\u{1}node".to_owned(),
            _ => [self.name, self.uid]
                .into_iter()
                .filter(|own| !own.is_empty() && text.contains(own))
                .fold(text.to_owned(), |text, own| text.replace(own, "\u{1}own")),
        };
        let _ = write!(out, "\"{}:{text}", text.len());
    }
}

/// Fields that admission adds to every pod, or that say where one runs: none of them says what it may do.
const ADDED: &[&str] = &[
    "enableServiceLinks",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "overhead",
    "preemptionPolicy",
    "priority",
    "serviceAccount",
    "subdomain",
];

/// Values that the API server writes where nothing is written (`pkg/apis/core/v1/defaults.go`).
const DEFAULTS: &[(&str, &str)] = &[
    ("dnsPolicy", "ClusterFirst"),
    ("failureThreshold", "3"),
    ("periodSeconds", "10"),
    ("protocol", "TCP"),
    ("restartPolicy", "Always"),
    ("schedulerName", "default-scheduler"),
    ("serviceAccountName", "default"),
    ("successThreshold", "1"),
    ("terminationGracePeriodSeconds", "30"),
    ("terminationMessagePath", "/dev/termination-log"),
    ("terminationMessagePolicy", "File"),
    ("timeoutSeconds", "1"),
];

/// Whether a pod says what the template of its maker says, and nothing more that matters. `claims`: names of the claim
/// templates of a StatefulSet, which become volumes.
pub(crate) fn says_the_same(pod: Value<'_>, template: Value<'_>, claims: &[&str]) -> bool {
    let (Some(pod_spec), Some(spec)) = (pod.get("spec"), template.get("spec")) else { return false };
    let same_metadata = [("labels", LABELS), ("annotations", ANNOTATIONS)].into_iter().all(|(key, list)| {
        let (mine, theirs) = (pod.at(&["metadata", key]), template.at(&["metadata", key]));
        let is_there = |from: Option<Value<'_>>, name: &str, value: Value<'_>| {
            from.and_then(|all| all.get(name)).and_then(Value::text) == value.text()
        };
        theirs.into_iter().flat_map(Value::entries).all(|(name, value)| is_there(mine, name, value))
            && mine
                .into_iter()
                .flat_map(Value::entries)
                .all(|(name, value)| is_of_one_pod(name, list) || is_there(theirs, name, value))
    });
    same_metadata && covers(pod_spec, spec, claims, true)
}

/// Whether two values say the same, but for what admission adds on the pod's side.
fn covers(pod: Value<'_>, template: Value<'_>, claims: &[&str], is_spec: bool) -> bool {
    match (pod.is_mapping(), template.is_mapping()) {
        (true, true) => {
            let added = |key: &str, value: Value<'_>| {
                (is_spec && ADDED.contains(&key)) || is_default(key, value) || left(value, claims).is_empty()
            };
            pod.entries().all(|(key, value)| match template.get(key) {
                Some(other) => covers(value, other, claims, false),
                None => {
                    value.is_null() || added(key, value) || (is_spec && key == "affinity" && is_pin(value))
                }
            }) && template.entries().all(|(key, value)| {
                value.is_null()
                    || pod.get(key).is_some()
                    || value.children().next().is_none() && !value.is_scalar()
            })
        }
        (false, false) if pod.is_sequence() && template.is_sequence() => {
            let (mine, theirs) = (left(pod, claims), left(template, claims));
            mine.len() == theirs.len()
                && mine.iter().zip(&theirs).all(|(mine, theirs)| covers(*mine, *theirs, claims, false))
        }
        (false, false) if pod.is_scalar() && template.is_scalar() => pod.text() == template.text(),
        _ => false,
    }
}

fn is_default(key: &str, value: Value<'_>) -> bool {
    let is_written_by_rule = key == "imagePullPolicy";
    is_written_by_rule || DEFAULTS.iter().any(|(name, text)| *name == key && value.text() == Some(text))
}

/// Items of a list without those that admission and controllers add; one stand-in for what is no list and not empty.
fn left<'t>(value: Value<'t>, claims: &[&str]) -> Vec<Value<'t>> {
    if !value.is_sequence() {
        let is_something = value.is_scalar() || value.children().next().is_some();
        return if is_something { vec![value] } else { Vec::new() };
    }
    let list = value.key().unwrap_or("");
    value
        .items()
        .filter(|item| {
            let name = item.str_at("name").unwrap_or("");
            match list {
                "volumes" => {
                    let is_claim = item.get("persistentVolumeClaim").is_some() && claims.contains(&name);
                    !name.starts_with(TOKEN_VOLUME) && !is_claim
                }
                "volumeMounts" => !name.starts_with(TOKEN_VOLUME),
                // Of the DaemonSet controller and of admission: what a node's own conditions do to every pod.
                "tolerations" => {
                    let key = item.str_at("key").unwrap_or("");
                    !(key.starts_with("node.kubernetes.io/") && item.str_at("operator") == Some("Exists"))
                }
                _ => true,
            }
        })
        .collect()
}

/// The DaemonSet controller binds each pod to its node by an affinity on the node's name.
fn is_pin(affinity: Value<'_>) -> bool {
    let required = affinity.at(&["nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]);
    let terms = required.and_then(|required| required.get("nodeSelectorTerms"));
    affinity.entries().count() == 1
        && terms.is_some_and(|terms| {
            terms.items().all(|term| {
                let fields = term.get("matchFields").into_iter().flat_map(Value::items);
                term.entries().count() == 1
                    && fields.into_iter().all(|field| field.str_at("key") == Some("metadata.name"))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_yaml;

    /// A pod as the API server stores it for this template.
    const POD: &str = "
metadata: {labels: {app: web, pod-template-hash: 7d4}, annotations: {note: x, cni.projectcalico.org/podIP: 10.0.0.1}}
spec:
  nodeName: n1
  serviceAccountName: default
  serviceAccount: default
  priority: 0
  preemptionPolicy: PreemptLowerPriority
  enableServiceLinks: true
  restartPolicy: Always
  securityContext: {}
  tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data-web-0}}
  - {name: kube-api-access-abcde, projected: {}}
  containers:
  - {name: c, image: i, imagePullPolicy: Always, resources: {}, volumeMounts: [{name: kube-api-access-abcde, mountPath: /v}]}
";
    const TEMPLATE: &str = "
metadata: {labels: {app: web}, annotations: {note: x}, creationTimestamp: null}
spec:
  tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
  containers: [{name: c, image: i, imagePullPolicy: Always, resources: {}}]
";

    fn same(pod: &str, template: &str) -> bool {
        let (pod, template) = (read_yaml(pod).unwrap().unwrap(), read_yaml(template).unwrap().unwrap());
        says_the_same(pod.root(), template.root(), &["data"])
    }

    #[test]
    fn what_the_api_server_adds_makes_no_difference() {
        assert!(same(POD, TEMPLATE));
    }

    #[test]
    fn what_a_webhook_or_a_person_changed_does() {
        for (from, to) in [
            ("image: i", "image: evil"),
            ("{name: c, image: i", "{name: c, image: i, securityContext: {privileged: true}"),
            ("nodeName: n1", "nodeName: n1\n  hostPID: true"),
            ("  containers:", "  ephemeralContainers: [{name: debug, image: i}]\n  containers:"),
            ("  containers:", "  initContainers: [{name: init, image: i}]\n  containers:"),
            ("  - {name: data,", "  - {name: host, hostPath: {path: /}}\n  - {name: data,"),
            ("  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}\n", ""),
            ("tolerations:", "tolerations:\n  - {operator: Exists}"),
            ("serviceAccountName: default", "serviceAccountName: admin"),
            ("app: web", "app: other"),
            ("app: web", "app: web, extra: label"),
            ("note: x", "note: x, ringfence.dev/except.RF-RUN-001: me"),
            ("securityContext: {}", "securityContext: {runAsUser: 0}"),
            ("resources: {}", "resources: {limits: {memory: 1Gi}}"),
        ] {
            let changed = POD.replacen(from, to, 1);
            assert_ne!(changed, POD, "{from}");
            assert!(!same(&changed, TEMPLATE), "{to}");
        }
        // What the template demands and the pod lacks is a difference too.
        let stricter = TEMPLATE.replace("image: i,", "image: i, securityContext: {privileged: false},");
        assert!(!same(POD, &stricter));
        assert!(!same(POD, &TEMPLATE.replace("app: web", "app: web, team: a")));
    }
}
