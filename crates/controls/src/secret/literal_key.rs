//! RF-SEC-001: every text of the set in, provider keys that stand in it out, one finding a key.

use std::collections::BTreeMap;

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Object;

use crate::control::Check;
use crate::control::Control;
use crate::control::EVERYTHING;
use crate::control::Meta;
use crate::cx::Cx;
use crate::hit::Results;
use crate::keys::Found;
use crate::keys::search;

/// A key in a manifest is a key in Git, in every clone, in every backup and in the cluster's own store.
///
/// ## What it sees
/// Keys of OpenAI, Anthropic and Hugging Face, recognised by the shape of their value, in any text of any object:
/// variables, commands and arguments, annotations (`last-applied-configuration` keeps an old key after the fix),
/// ConfigMap values, fields of custom resources, `stringData` and `data` of a Secret manifest, comments. The name of
/// the variable does not matter. One finding a key, with every place where it stands. References (`secretKeyRef`,
/// `$(VAR)`, paths of secret managers) and documented placeholders are no keys.
///
/// ## Why it matters for AI
/// A provider key is money and data: it runs models on your account, reads stored files, threads and fine-tuned
/// models, and a hub token with write rights replaces the weights that everybody loads. Who may read a pod template or
/// a ConfigMap is a far larger circle than who may read Secrets, and bots try keys within minutes of a push.
///
/// ## Bad
/// ```yaml
/// env:
///   - {name: OPENAI_API_KEY, value: sk-proj-...}
/// ```
///
/// ## Good
/// ```yaml
/// env:
///   - name: OPENAI_API_KEY
///     valueFrom: {secretKeyRef: {name: openai, key: api-key}}
/// ```
///
/// ## Fix and its side effects
/// Revoke the key at its provider first: it stays in the history. Make a new one, restricted to what this workload
/// does, keep it in a secret manager, and let External Secrets or the CSI driver deliver it. Pods read a changed
/// variable only after a restart.
///
/// ## When it is unknown
/// Never for text that was read; what was not read is in the coverage. Values encoded twice, archives and packed Helm
/// releases are not looked into.
///
/// ## References
/// - guide: G18
/// - CIS Kubernetes 2.0.1: 5.4.1
/// - OWASP AISVS 1.0: 4.4.3
/// - MITRE ATT&CK: T1552.001
/// - MITRE ATLAS 5.6.0: AML.T0055
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Sec, 1),
        slug: "literal-key",
        title: "provider key written in a manifest",
        risk: "everybody who reads the file, its history or the object uses the key: your models, your data, your bill",
        cure: "revoke the key at its provider, then deliver a new one from a secret manager by `secretKeyRef` or a mounted file",
        severity: Severity::Critical,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: EVERYTHING,
        references: &[
            Reference { framework: "guide", version: "1", id: "G18" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.4.1" },
            Reference { framework: "OWASP AISVS", version: "1.0", id: "4.4.3" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1552.001" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0055" },
        ],
    },
    check: Check::Cluster(check),
};

fn check(cx: &Cx<'_>, results: &mut Results<'_>) {
    let Found { keys, clean } = search(cx.inventory);
    for _ in 0..clean {
        results.pass();
    }
    // Two keys in one text share their field: the second and later ones are told apart by their number.
    let mut in_field: BTreeMap<(*const Object, String), u32> = BTreeMap::new();
    for key in keys {
        let Some((first, others)) = key.places.split_first() else { continue };
        let mut hit = first.hit(&key.found);
        for other in others {
            hit = match other.at {
                Some(at) => hit.also_at(other.object, at),
                None => hit.supported_by_fact(other.object, other.words()),
            };
        }
        let field = first.at.map(|at| first.object.field(at)).unwrap_or_default();
        let number = in_field.entry((std::ptr::from_ref(first.object), field.clone())).or_insert(0);
        *number = number.saturating_add(1);
        if *number > 1 {
            hit = hit.field(format!("{field}#{number}"));
        }
        results.fail(hit);
    }
}

#[cfg(test)]
mod tests {
    use ringfence_secret::synthetic::key;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_variable() {
        insta::assert_snapshot!(one_line("literal-key", "bad"), @"CRITICAL RF-SEC-001 Deployment/ml/model[server]: holds OpenAI project key sk-p…Kn (132 chars)");
    }

    #[test]
    fn good_fixture_holds_a_reference_and_a_placeholder() {
        insta::assert_snapshot!(one_line("literal-key", "good"), @"");
    }

    fn places(text: &str) -> Vec<(String, String, usize)> {
        let findings = judged("RF-SEC-001", text);
        let place = |finding: ringfence_finding::Finding| {
            let resource = finding.resource.map(|resource| resource.to_string()).unwrap_or_default();
            let (tags, places): (Vec<_>, Vec<_>) =
                finding.evidence.iter().partition(|piece| piece.shown.starts_with("salted hash "));
            assert_eq!(tags.len(), 1, "one hash says that it is one key");
            (resource, finding.field, places.len())
        };
        findings.into_iter().map(place).collect()
    }

    #[test]
    fn one_key_in_many_objects_is_one_finding_with_all_its_places() {
        let (a, b) = (key("anthropic-api", 1).unwrap(), key("huggingface", 2).unwrap());
        let text = format!(
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: r, namespace: ml}}
spec:
  headGroupSpec:
    rayStartParams: {{redis-password: {a}}}
    template:
      spec:
        containers:
        - {{name: head, image: ray, args: [sh, -c, 'run --token={b} --other={b}']}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: c, namespace: ml, annotations: {{note: 'was {a}'}}}}
data: {{.env: \"A={a}\\nB={b}\\n\"}}
"
        );
        let found = places(&text);
        assert_eq!(found.len(), 2, "{found:?}");
        let head = "spec.headGroupSpec.rayStartParams.redis-password";
        assert!(found.contains(&("RayCluster/ml/r".to_owned(), head.to_owned(), 3)), "{found:?}");
        let args = "spec.headGroupSpec.template.spec.containers[name=head].args[2]";
        assert!(found.contains(&("RayCluster/ml/r".to_owned(), args.to_owned(), 2)), "{found:?}");
    }

    #[test]
    fn what_tells_items_apart_is_not_told_when_it_may_be_a_secret() {
        let key = key("huggingface", 7).unwrap();
        for list in [
            "data: [{accessKey: a, secretKey: hunter2",
            "passwords: [{name: hunter2",
            "apiTokens: [{key: hunter2",
            "auth: [{key: hunter2",
        ] {
            let text = format!(
                "apiVersion: x.io/v1\nkind: Vault\nmetadata: {{name: v}}\nspec: {{{list}, x: {key}}}]}}\n"
            );
            let findings = judged("RF-SEC-001", &text);
            assert_eq!(findings.len(), 1, "{text}");
            assert!(!format!("{findings:?}").contains("hunter2"), "{findings:?}");
        }
    }

    #[test]
    fn many_keys_in_one_text_are_told_one_by_one() {
        let keys: Vec<String> = (1..=60).filter_map(|seed| key("huggingface", seed)).collect();
        let lines: Vec<String> = keys.iter().map(|key| format!("    {key}")).collect();
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  a: |\n{}\n",
            lines.join("\n")
        );
        assert_eq!(judged("RF-SEC-001", &text).len(), keys.len());
    }

    #[test]
    fn two_keys_in_one_text_are_two_findings() {
        let (a, b) = (key("openai-project", 1).unwrap(), key("openai-project", 2).unwrap());
        let text =
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{env: '{a} {b}'}}\n");
        let fields: Vec<String> = places(&text).into_iter().map(|(_, field, _)| field).collect();
        assert_eq!(fields, ["data.env", "data.env#2"]);
    }

    #[test]
    fn a_secret_in_its_storage_form_counts_in_a_list_too() {
        let encoded = "c2stYW50LWFwaTAzLQ==";
        let text = |data: &str| {
            format!(
                "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Secret, metadata: {{name: s, namespace: ml}}, data: {{k: {data}}}}}\n"
            )
        };
        assert_eq!(places(&text(encoded)).len(), 0);
        let real = base64(key("anthropic-api", 3).unwrap().as_bytes());
        assert_eq!(places(&text(&real)), [("Secret/ml/s".to_owned(), "data.k".to_owned(), 1)]);
    }

    #[test]
    fn an_embedded_object_owns_its_key_and_a_text_that_holds_one_is_searched_once() {
        let key = key("huggingface", 4).unwrap();
        let graph = format!(
            "apiVersion: kro.run/v1alpha1
kind: ResourceGraphDefinition
metadata: {{name: g}}
spec:
  resources:
  - id: p
    template:
      apiVersion: v1
      kind: Pod
      metadata: {{name: p, namespace: ml}}
      spec: {{containers: [{{name: c, image: x, env: [{{name: X, value: {key}}}]}}]}}
"
        );
        let field = "spec.containers[name=c].env[name=X].value";
        assert_eq!(places(&graph), [("Pod/ml/p".to_owned(), field.to_owned(), 1)]);
        let config = format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: c, namespace: ml}}
data:
  pod.yaml: |
    apiVersion: v1
    kind: Pod
    metadata: {{name: p}}
    spec: {{containers: [{{name: c, image: x, args: [{key}]}}]}}
"
        );
        assert_eq!(judged("RF-SEC-001", &config)[0].location.as_ref().unwrap().line, 9);
        assert_eq!(places(&config), [("ConfigMap/ml/c".to_owned(), "data[\"pod.yaml\"]".to_owned(), 1)]);
    }

    #[test]
    fn a_line_that_was_commented_out_still_holds_its_key() {
        let key = key("openai-project", 5).unwrap();
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  # key: {key}\n  a: b\n"
        );
        let findings = judged("RF-SEC-001", &text);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].evidence[0].shown, "in a comment, a key or a hidden value on line 5");
        assert_eq!(findings[0].location.as_ref().unwrap().line, 5);
        assert!(!format!("{findings:?}").contains(&key), "a key is never shown in full");
    }

    #[test]
    fn references_placeholders_and_pieces_of_keys_are_none() {
        let piece = key("openai-project", 6).unwrap();
        let text = format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, annotations: {{a: sk-proj-your-key-goes-here, b: {}}}}}
spec:
  containers:
  - name: c
    image: x
    args: [--api-key=$(OPENAI_API_KEY), hf_hub_download, 'import hf_transfer']
    env:
    - {{name: OPENAI_API_KEY, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}
    - {{name: HF_TOKEN, value: vault:secret/hf#token}}
",
            &piece[..40]
        );
        assert_eq!(places(&text), []);
    }

    fn base64(bytes: &[u8]) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for group in bytes.chunks(3) {
            let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - group.len()));
            for place in 0..4 {
                let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap();
                text.push(if place <= group.len() { char::from(ALPHABET[digit]) } else { '=' });
            }
        }
        text
    }
}
