//! RF-SEC-003: the Secrets that AI workloads use in, those that no manager made out.

use std::collections::BTreeMap;

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Container;
use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::cx::is_workload;
use crate::hit::Hit;
use crate::hit::Results;
use crate::origin::Origins;
use crate::requests::plural;

/// A Secret that somebody typed is rotated by nobody.
///
/// ## What it sees
/// Secrets that AI workloads take as variables, as files, in projected volumes or to pull images, and where each comes
/// from. One has an origin when an ExternalSecret, a ClusterExternalSecret, a SealedSecret, a SecretProviderClass
/// (`secretObjects`), a Certificate, a VaultStaticSecret, a VaultDynamicSecret or a OnePasswordItem makes a Secret of its
/// name, when another object owns it, or when it carries the label or annotation that those leave. An ExternalSecret with
/// `creationPolicy` `Merge` or `None` makes none, and a Secret that stands in a file with its data was typed, whatever
/// else makes one of its name. A Secret of the set without any origin is a finding, one for each Secret, with the workloads
/// that use it; one that only pulls images is low. Whether its text holds a key is the matter of RF-SEC-001.
///
/// ## Why it matters for AI
/// Keys of model providers are worth money the hour they leak. One that came through a manager has an owner, a rotation
/// and a log of its readers; one that `kubectl create secret` made stands in a shell history, in a chat and in a copy for
/// the next namespace, and nobody dares to revoke it, for nobody knows who uses it.
///
/// ## Bad
/// ```yaml
/// kind: Secret
/// metadata: {name: openai}
/// data: {key: ...}
/// ```
///
/// ## Good
/// ```yaml
/// kind: ExternalSecret
/// metadata: {name: openai}
/// spec:
///   refreshInterval: 1h
///   secretStoreRef: {kind: SecretStore, name: vault}
///   target: {name: openai}
/// ```
///
/// ## Fix and its side effects
/// Put the value into the manager, write an ExternalSecret with the name of the Secret, and let it take the Secret over
/// (`creationPolicy: Owner` replaces what is there). Then revoke the old value at its provider: it was copied. Pods that
/// take it as a variable see the new one when they are made anew; files follow within minutes.
///
/// ## When it is unknown
/// The Secret is not in the set and nothing in it makes one of that name: a scan of a cluster never asks for Secrets. Its
/// name is a variable.
///
/// ## References
/// - guide: G19
/// - CIS Kubernetes 2.0.1: 5.4.2
/// - OWASP AISVS 1.0: 4.4.1
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Sec, 3),
        slug: "plain-secret",
        title: "Secret of an AI workload comes from no secret manager",
        risk: "the key lives in histories and copies, nobody rotates it, and who leaves or breaks in keeps it",
        cure: "store the value in a secret manager, deliver it by an ExternalSecret of that name, and revoke the old one",
        severity: Severity::Medium,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[
            ("bitnami.com", "SealedSecret"),
            ("cert-manager.io", "Certificate"),
            ("external-secrets.io", "ClusterExternalSecret"),
            ("external-secrets.io", "ExternalSecret"),
            ("onepassword.com", "OnePasswordItem"),
            ("secrets.hashicorp.com", "VaultDynamicSecret"),
            ("secrets.hashicorp.com", "VaultStaticSecret"),
            ("secrets-store.csi.x-k8s.io", "SecretProviderClass"),
        ],
        references: &[
            Reference { framework: "guide", version: "1", id: "G19" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.4.2" },
            Reference { framework: "OWASP AISVS", version: "1.0", id: "4.4.1" },
        ],
    },
    check: Check::Cluster(check),
};

/// A place where a pod names a Secret.
#[derive(Clone, Copy)]
struct Use<'i> {
    pod: Pod<'i>,
    /// The name.
    at: Value<'i>,
    pulls_images: bool,
    /// The pod starts without it too.
    optional: bool,
}

fn check(cx: &Cx<'_>, results: &mut Results<'_>) {
    let mut used: BTreeMap<(Option<&str>, &str), Vec<Use<'_>>> = BTreeMap::new();
    for pod in cx.inventory.pods().filter(|pod| is_workload(*pod)) {
        for one in uses(pod) {
            let Some(name) = one.at.text().filter(|name| !name.is_empty()) else { continue };
            used.entry((pod.namespace(), name)).or_default().push(one);
        }
    }
    if used.is_empty() {
        return results.not_applicable();
    }
    let origins = Origins::new(cx.inventory);
    for ((namespace, name), uses) in used {
        if origins.has(namespace, name) {
            results.pass();
            continue;
        }
        let Some(first) = uses.iter().find(|one| !one.optional).or(uses.first()) else { continue };
        if name.contains(['$', '{']) {
            results.unknown(first.pod.object(), Some(first.at), "the name of this Secret is a variable");
        } else if let Some(secret) = origins.plain(namespace, name) {
            results.fail(hit(secret, &uses));
        } else if !first.optional {
            let words = format!("where Secret {name} comes from is not known: it is not in the set");
            results.unknown(first.pod.object(), Some(first.at), words);
        }
    }
}

fn hit<'i>(secret: &'i Object, uses: &[Use<'i>]) -> Hit<'i> {
    /// Beyond these the number says enough.
    const LISTED: usize = 10;
    let mut users: Vec<&Object> = uses.iter().map(|one| one.pod.root()).collect();
    users.sort_by_key(|user| user.id);
    users.dedup_by_key(|user| user.id);
    let (count, s) = (users.len(), plural(users.len()));
    let message = format!("is used by {count} workload{s} and comes from no secret manager");
    let mut hit = Hit::absent(secret, message).missing("metadata.ownerReferences");
    for user in users.into_iter().take(LISTED) {
        hit = hit.supported_by_fact(user, "uses it");
    }
    if uses.iter().all(|one| one.pulls_images) { hit.severity(Severity::Low) } else { hit }
}

/// Every Secret that a pod names.
fn uses(pod: Pod<'_>) -> Vec<Use<'_>> {
    let one = |holder: Value<'_>, key: &str, pulls_images: bool| {
        let optional = holder.get("optional").and_then(Value::means_bool) == Some(true);
        Some((holder.get(key)?.id(), pulls_images, optional))
    };
    let of_containers = pod.containers().flat_map(|container: Container<'_>| {
        let variables = container
            .env()
            .filter_map(|variable| one(variable.item.at(&["valueFrom", "secretKeyRef"])?, "name", false));
        let whole = container.get("envFrom").into_iter().flat_map(Value::items);
        let whole = whole.filter_map(|source| one(source.get("secretRef")?, "name", false));
        variables.chain(whole).collect::<Vec<_>>()
    });
    let of_volumes = pod.volumes().flat_map(|volume| {
        let whole = volume.get("secret").and_then(|secret| one(secret, "secretName", false));
        let sources = volume.at(&["projected", "sources"]).into_iter().flat_map(Value::items);
        let parts = sources.filter_map(|source| one(source.get("secret")?, "name", false));
        whole.into_iter().chain(parts).collect::<Vec<_>>()
    });
    let pulls = pod.get("imagePullSecrets").into_iter().flat_map(Value::items);
    let pulls = pulls.filter_map(|pull| one(pull, "name", true));
    let all = of_containers.chain(of_volumes).chain(pulls);
    all.map(|(at, pulls_images, optional)| Use { pod, at: pod.object().value(at), pulls_images, optional })
        .collect()
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_secret() {
        insta::assert_snapshot!(one_line("plain-secret", "bad"), @"MEDIUM RF-SEC-003 Secret/ml/model-server: is used by 1 workload and comes from no secret manager");
    }

    #[test]
    fn good_fixture_was_made_by_an_operator() {
        insta::assert_snapshot!(one_line("plain-secret", "good"), @"");
    }

    #[test]
    fn a_secret_that_was_not_seen_is_unknown() {
        insta::assert_snapshot!(one_line("plain-secret", "unknown"), @"UNKNOWN RF-SEC-003 Deployment/ml/model: where Secret model-server comes from is not known: it is not in the set");
    }

    fn said(spec: &str, more: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: ml}}
spec: {{{spec}}}
---
{more}"
        );
        let line = |finding: ringfence_finding::Finding| match finding.outcome {
            Outcome::Fail => format!("{} {}", finding.severity, finding.message),
            _ => format!("unknown: {}", finding.message),
        };
        judged("RF-SEC-003", &text).into_iter().map(line).collect()
    }

    fn secret(more: &str) -> String {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: ml{more}}}\n")
    }

    const IMAGE: &str = "containers: [{name: c, image: vllm/vllm-openai}]";
    const VARIABLE: &str = "containers: [{name: c, image: vllm/vllm-openai, env: [{name: K, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]";

    #[test]
    fn each_way_to_use_a_secret_counts() {
        let open = ["medium is used by 1 workload and comes from no secret manager"];
        for spec in [
            VARIABLE.to_owned(),
            VARIABLE.replace(
                "env: [{name: K, valueFrom: {secretKeyRef: {name: s, key: k}}}]",
                "envFrom: [{secretRef: {name: s}}]",
            ),
            format!("volumes: [{{name: v, secret: {{secretName: s}}}}], {IMAGE}"),
            format!("volumes: [{{name: v, projected: {{sources: [{{secret: {{name: s}}}}]}}}}], {IMAGE}"),
            format!(
                "init{}, {IMAGE}",
                VARIABLE.replace("containers", "Containers").replace("name: c,", "name: i,")
            ),
        ] {
            assert_eq!(said(&spec, &secret("")), open, "{spec}");
        }
        let pulls = format!("imagePullSecrets: [{{name: s}}], {IMAGE}");
        assert_eq!(said(&pulls, &secret("")), ["low is used by 1 workload and comes from no secret manager"]);
        // Used by nobody, or by nobody of AI.
        assert_eq!(said(IMAGE, &secret("")), [""; 0]);
        assert_eq!(said(&VARIABLE.replace("vllm/vllm-openai", "nginx"), &secret("")), [""; 0]);
    }

    #[test]
    fn each_origin_counts_in_its_own_namespace() {
        let object = |version: &str, kind: &str, name: &str, spec: &str| {
            format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: ml}}\nspec: {spec}\n---\n"
            )
        };
        let eso = "external-secrets.io/v1";
        for origin in [
            object(eso, "ExternalSecret", "e", "{target: {name: s}}"),
            object(eso, "ExternalSecret", "s", "{target: {creationPolicy: Owner}}"),
            object("bitnami.com/v1alpha1", "SealedSecret", "s", "{}"),
            object(
                "secrets-store.csi.x-k8s.io/v1",
                "SecretProviderClass",
                "c",
                "{secretObjects: [{secretName: s}]}",
            ),
            object("cert-manager.io/v1", "Certificate", "c", "{secretName: s}"),
            object("secrets.hashicorp.com/v1beta1", "VaultStaticSecret", "v", "{destination: {name: s}}"),
            object("secrets.hashicorp.com/v1beta1", "VaultDynamicSecret", "v", "{destination: {name: s}}"),
            object("onepassword.com/v1", "OnePasswordItem", "s", "{itemPath: vaults/v/items/i}"),
        ] {
            assert_eq!(said(VARIABLE, &origin), [""; 0], "{origin}");
            assert_eq!(said(VARIABLE, &(origin.clone() + &secret(""))), [""; 0], "{origin}");
            let elsewhere = origin.replace("namespace: ml", "namespace: web");
            let unknown = ["unknown: where Secret s comes from is not known: it is not in the set"];
            assert_eq!(said(VARIABLE, &elsewhere), unknown, "{elsewhere}");
        }
        for mark in [
            ", labels: {reconcile.external-secrets.io/managed: 'true'}",
            ", labels: {secrets-store.csi.k8s.io/managed: 'true'}",
            ", annotations: {cert-manager.io/certificate-name: c}",
            ", ownerReferences: [{apiVersion: external-secrets.io/v1, kind: ExternalSecret, name: e, uid: u}]",
        ] {
            assert_eq!(said(VARIABLE, &secret(mark)), [""; 0], "{mark}");
        }
        let none = object(eso, "ExternalSecret", "s", "{target: {creationPolicy: None}}");
        assert_eq!(said(VARIABLE, &(none + &secret(""))).len(), 1);
    }

    #[test]
    fn a_secret_typed_into_a_file_has_no_origin_whatever_else_makes_its_name() {
        let external = |policy: &str| {
            format!(
                "apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: s, namespace: ml}}
spec: {{target: {{creationPolicy: {policy}}}}}
---
"
            )
        };
        let open = ["medium is used by 1 workload and comes from no secret manager"];
        let typed = |mark: &str| secret(mark) + "stringData: {k: some-words}\n";
        for policy in ["Owner", "Orphan", "Merge", "None"] {
            assert_eq!(said(VARIABLE, &(external(policy) + &typed(""))), open, "{policy}");
            let marked = typed(", labels: {reconcile.external-secrets.io/managed: 'true'}");
            assert_eq!(said(VARIABLE, &(external(policy) + &marked)), [""; 0], "{policy}");
        }
        // Merge fills what stands there, and makes nothing that does not.
        assert_eq!(said(VARIABLE, &(external("Merge") + &secret(""))), [""; 0]);
        let unknown = ["unknown: where Secret s comes from is not known: it is not in the set"];
        assert_eq!(said(VARIABLE, &external("Merge")), unknown);
    }

    #[test]
    fn a_cluster_external_secret_counts_where_it_lands() {
        let cluster = |where_to: &str| {
            format!(
                "apiVersion: external-secrets.io/v1
kind: ClusterExternalSecret
metadata: {{name: x}}
spec: {{externalSecretName: e, externalSecretSpec: {{target: {{name: s}}}}, {where_to}}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: ml, labels: {{team: ml}}}}
---
"
            )
        };
        assert_eq!(said(VARIABLE, &cluster("namespaces: [ml]")), [""; 0]);
        assert_eq!(said(VARIABLE, &cluster("namespaceSelectors: [{matchLabels: {team: ml}}]")), [""; 0]);
        assert_eq!(said(VARIABLE, &cluster("namespaceSelectors: [{matchLabels: {team: web}}]")).len(), 1);
    }

    #[test]
    fn what_may_be_missing_and_what_is_a_variable() {
        let optional = VARIABLE.replace("key: k", "key: k, optional: true");
        assert_eq!(said(&optional, ""), [""; 0]);
        assert_eq!(said(&optional, &secret("")).len(), 1);
        let variable = VARIABLE.replace("name: s,", "name: '${SECRET}',");
        assert_eq!(said(&variable, ""), ["unknown: the name of this Secret is a variable"]);
    }
}
