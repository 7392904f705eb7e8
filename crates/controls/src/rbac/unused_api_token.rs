//! RF-RBAC-008: one pod in, a token of the Kubernetes API that it has no use for out.

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Base;
use ringfence_inventory::Field;
use ringfence_inventory::Pod;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Need;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;
use crate::rights::GROUP;

/// A token that nobody uses is used by the first thief.
///
/// ## What it sees
/// AI workloads into which the kubelet mounts a token of the Kubernetes API, since neither the pod nor its service
/// account says `automountServiceAccountToken: false`, though no binding of the set gives that account any right. Pods
/// that talk to the API by design are left out: the head of a Ray cluster that scales itself, Spark drivers, launchers of
/// MPIJobs. A token that a manifest projects itself is a choice and is not judged.
///
/// ## Why it matters for AI
/// Every poisoned model and every prompt that reaches a tool looks at `/var/run/secrets` first. The token says who it is,
/// lists what the API server tells everybody, and gets every right that anybody binds to the account later: "just for
/// the pipeline", on the `default` account that all pods of the namespace share.
///
/// ## Bad
/// ```yaml
/// spec:
///   containers: [{name: server, image: vllm/vllm-openai}]
/// ```
///
/// ## Good
/// ```yaml
/// spec:
///   automountServiceAccountToken: false
///   containers: [{name: server, image: vllm/vllm-openai}]
/// ```
///
/// ## Fix and its side effects
/// Set `automountServiceAccountToken: false` on the pod, and on the `default` account of the namespace. Cloud identities
/// (IRSA, workload identity) come by tokens of their own and go on working. Code that calls the API fails: it gets an
/// account of its own with the rights that it needs.
///
/// ## When it is unknown
/// The account is not `default` and no binding is in the set; service accounts were not all seen; the kind cannot say it
/// because its operator builds the pod.
///
/// ## References
/// - CIS Kubernetes 2.0.1: 5.1.5, 5.1.6
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Rbac, 8),
        slug: "unused-api-token",
        title: "AI pod mounts an API token that it has no use for",
        risk: "code in this pod talks to the API server, with every right that anybody gives the account later",
        cure: "set `automountServiceAccountToken: false`",
        severity: Severity::Medium,
        fix: FixClass::Safe,
        needs: &[],
        absence: &[("", "ServiceAccount"), (GROUP, "ClusterRoleBinding"), (GROUP, "RoleBinding")],
        references: &[
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.1.5" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.1.6" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

const SWITCH: &str = "automountServiceAccountToken";

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    let object = pod.object();
    // KServe's runtimes have no such field; their services do.
    let is_serving_runtime = object.group() == "serving.kserve.io" && object.kind.ends_with("ServingRuntime");
    if is_serving_runtime || uses_api(pod) {
        return results.not_applicable();
    }
    let written = match pod.field(SWITCH) {
        Field::Set(value) => match value.means_bool() {
            Some(true) => Some(value),
            Some(false) => return,
            None => {
                return results.unknown(
                    object,
                    Some(value),
                    format!("the value of `{SWITCH}` is a variable"),
                );
            }
        },
        Field::Unset | Field::CannotSay => None,
    };
    if written.is_none() {
        let bases = cx.inventory.joins().bases(pod.object_id());
        let mut given = bases.iter().filter_map(|base| match base {
            Base::Given(id) => Some(cx.inventory.pods_of(*id)),
            Base::Missing { .. } => None,
        });
        let off = |pod: Pod<'_>| pod.get(SWITCH).and_then(Value::means_bool) == Some(false);
        if given.any(|mut pods| pods.any(off)) {
            return;
        }
        if pod.built_by_operator() {
            return results.built_by_operator(pod, SWITCH);
        }
    }
    let named = pod.get("serviceAccountName").or_else(|| pod.get("serviceAccount"));
    let account = named.and_then(Value::text).filter(|name| !name.is_empty()).unwrap_or("default");
    let namespace = pod.namespace();
    let accounts = cx.in_namespace("ServiceAccount", namespace);
    match accounts.iter().find(|known| &*known.name == account) {
        Some(known) if written.is_none() => {
            if known.body().get(SWITCH).and_then(Value::means_bool) == Some(false) {
                return;
            }
        }
        Some(_) => {}
        None => {
            let seen = cx.inventory.sight.namespaced("", "ServiceAccount", namespace);
            if let Some(reason) = seen.doubt().filter(|_| written.is_none()) {
                let words = format!("whether account {account} mounts its token is not known: {reason}");
                return results.unknown(object, named, words);
            }
        }
    }
    if cx.is_bound(namespace.unwrap_or(""), account) {
        return;
    }
    if account != "default" && !cx.supplies(Need::Bindings) {
        let words = format!("what account {account} may do: {}", Need::Bindings.missing());
        return results.unknown(object, named, words);
    }
    results.fail(hit(pod, written, account).confidence(Confidence::Medium));
}

fn hit<'i>(pod: Pod<'i>, written: Option<Value<'i>>, account: &str) -> Hit<'i> {
    let object = pod.object();
    let message = match account {
        "default" => "mounts the API token of the default account",
        _ => "mounts the API token of an account without rights",
    };
    if let Some(value) = written {
        return Hit::at(object, value, message);
    }
    let path = object.field(pod.body());
    let field = format!("{path}{}{SWITCH}", if path.is_empty() { "" } else { "." });
    Hit::absent(object, message).missing(field)
}

/// Pods whose program asks the API server for pods, with rights that their operator makes.
fn uses_api(pod: Pod<'_>) -> bool {
    let object = pod.object();
    let holder = || pod.body().parent().and_then(Value::parent);
    match object.group() {
        "ray.io" => holder().is_some_and(|group| {
            let cluster = group.parent();
            let scales = cluster.and_then(|cluster| cluster.get("enableInTreeAutoscaling")?.means_bool());
            group.key() == Some("headGroupSpec") && scales == Some(true)
        }),
        "kubeflow.org" => {
            &*object.kind == "MPIJob" && holder().is_some_and(|group| group.key() == Some("Launcher"))
        }
        group => group == "sparkoperator.k8s.io",
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    fn pod(spec: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ml}}\nspec: {{{spec}containers: [{{name: c, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]}}\n"
        )
    }

    fn said(text: &str) -> Vec<String> {
        let findings = judged("RF-RBAC-008", text).into_iter();
        findings
            .map(|finding| match finding.outcome {
                Outcome::Fail => finding.message,
                _ => format!("unknown: {}", finding.message),
            })
            .collect()
    }

    const DEFAULT: &str = "mounts the API token of the default account";

    fn account(name: &str, body: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: ml}}\n{body}\n"
        )
    }

    fn binding(subject: &str) -> String {
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: b, namespace: ml}}\nroleRef: {{kind: Role, name: r}}\nsubjects: [{subject}]\n"
        )
    }

    #[test]
    fn bad_fixture_fails_at_the_pod() {
        insta::assert_snapshot!(one_line("unused-api-token", "bad"), @"MEDIUM RF-RBAC-008 Deployment/ml/model: mounts the API token of the default account");
    }

    #[test]
    fn unknown_fixture_asks_for_bindings() {
        insta::assert_snapshot!(one_line("unused-api-token", "unknown"), @"UNKNOWN RF-RBAC-008 Deployment/ml/model: what account model may do: no RoleBinding or ClusterRoleBinding objects given");
    }

    #[test]
    fn the_pod_wins_over_its_account() {
        let off = account("default", "automountServiceAccountToken: false");
        assert_eq!(said(&pod("")), [DEFAULT]);
        assert_eq!(said(&pod("automountServiceAccountToken: false, ")), [""; 0]);
        assert_eq!(said(&(pod("") + &off)), [""; 0]);
        assert_eq!(said(&(pod("automountServiceAccountToken: true, ") + &off)), [DEFAULT]);
        assert_eq!(said(&(pod("") + &account("other", "automountServiceAccountToken: false"))), [DEFAULT]);
        let variable = said(&pod("automountServiceAccountToken: '${MOUNT}', "));
        assert_eq!(variable, ["unknown: the value of `automountServiceAccountToken` is a variable"]);
    }

    #[test]
    fn an_account_with_rights_uses_its_token() {
        let named = pod("serviceAccountName: runner, ");
        let bound = binding("{kind: ServiceAccount, name: runner, namespace: ml}");
        let other = binding("{kind: ServiceAccount, name: runner, namespace: web}");
        assert_eq!(said(&format!("{named}{bound}")), [""; 0]);
        assert_eq!(said(&format!("{named}{other}")), ["mounts the API token of an account without rights"]);
        let by_user = binding("{kind: User, name: 'system:serviceaccount:ml:runner'}");
        assert_eq!(said(&format!("{named}{by_user}")), [""; 0]);
        assert_eq!(said(&named).len(), 1);
        assert!(said(&named)[0].starts_with("unknown: what account runner may do"), "{:?}", said(&named));
    }

    #[test]
    fn the_head_of_a_ray_cluster_that_scales_itself_needs_it() {
        let ray = |scales: &str| {
            format!(
                "apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: r, namespace: ml}}
spec:
  enableInTreeAutoscaling: {scales}
  headGroupSpec: {{template: {{spec: {{containers: [{{name: head, image: ray}}]}}}}}}
  workerGroupSpecs: [{{groupName: w, template: {{spec: {{containers: [{{name: w, image: ray}}]}}}}}}]
"
            )
        };
        let fields = |text: &str| -> Vec<String> {
            judged("RF-RBAC-008", text).into_iter().map(|finding| finding.field).collect()
        };
        let worker = "spec.workerGroupSpecs[groupName=w].template.spec.automountServiceAccountToken";
        assert_eq!(fields(&ray("true")), [worker]);
        let head = "spec.headGroupSpec.template.spec.automountServiceAccountToken";
        assert_eq!(fields(&ray("false")), [head, worker]);
    }
}
