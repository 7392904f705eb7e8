//! RF-SEC-001: every text of the set in, provider keys that stand in it out, one finding a key.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::Range;

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Container;
use ringfence_inventory::Inventory;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::yaml::NodeId;
use ringfence_inventory::yaml::Value;
use ringfence_inventory::yaml::decode_base64;
use ringfence_inventory::yaml::read_json;
use ringfence_secret::Engine;
use ringfence_secret::KeyHit;
use ringfence_secret::SecretTag;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

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
    let mut search = Search {
        inventory: cx.inventory,
        keys: Vec::new(),
        by_tag: HashMap::new(),
        containers: (None, HashMap::new()),
        places: 0,
    };
    let mut clean = 0_u32;
    for objects in by_document(cx.inventory) {
        let before = search.places;
        search.document(&objects);
        if search.places == before {
            clean = clean.saturating_add(u32::try_from(objects.len()).unwrap_or(u32::MAX));
        }
    }
    for _ in 0..clean {
        results.pass();
    }
    // Two keys in one text share their field: the second and later ones are told apart by their number.
    let mut in_field: BTreeMap<(*const Object, String), u32> = BTreeMap::new();
    for key in search.keys {
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

/// Objects that stand in one document, in source order; embedded ones follow the object they stand in.
fn by_document(inventory: &Inventory) -> Vec<Vec<(ObjectId, &Object)>> {
    let mut groups: Vec<Vec<(ObjectId, &Object)>> = Vec::new();
    let mut index: HashMap<*const ringfence_inventory::Document, usize> = HashMap::new();
    for (id, object) in inventory.objects() {
        let at = *index.entry(std::ptr::from_ref(object.document())).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len().saturating_sub(1)
        });
        if let Some(group) = groups.get_mut(at) {
            group.push((id, object));
        }
    }
    groups
}

/// Where a key stands.
struct Place<'i> {
    object: &'i Object,
    /// None: in no value that counts.
    at: Option<Value<'i>>,
    /// Bytes of the document that hold it, when they are not the value's.
    bytes: Option<Range<usize>>,
    container: Option<Container<'i>>,
}

impl<'i> Place<'i> {
    fn words(&self) -> String {
        let line = self.bytes.clone().map_or(0, |bytes| self.object.location_of(bytes).line);
        format!("in a comment, a key or a hidden value on line {line}")
    }

    fn hit(&self, found: &KeyHit) -> Hit<'i> {
        let message = format!("holds {} {} {}", found.provider, found.kind, found.shown);
        let hit = match self.at {
            Some(at) => Hit::at(self.object, at, message),
            None => Hit::absent(self.object, message).supported_by_fact(self.object, self.words()),
        };
        let hit = match self.bytes.clone() {
            Some(bytes) => hit.bytes(bytes),
            None => hit,
        };
        // Answers "is it the key I know from elsewhere?" without the key.
        let hit = hit.supported_by_fact(self.object, format!("salted hash {}", found.tag));
        let hit = hit.confidence(found.confidence);
        match self.container {
            Some(container) => hit.container(container),
            None => hit,
        }
    }
}

/// One key with all its places, the first in source order first.
struct Key<'i> {
    found: KeyHit,
    places: Vec<Place<'i>>,
}

struct Search<'i> {
    inventory: &'i Inventory,
    keys: Vec<Key<'i>>,
    by_tag: HashMap<SecretTag, usize>,
    /// Containers of the object looked at last.
    containers: (Option<ObjectId>, HashMap<NodeId, Container<'i>>),
    /// Places of all keys.
    places: usize,
}

impl<'i> Search<'i> {
    fn document(&mut self, objects: &[(ObjectId, &'i Object)]) {
        let Some((_, first)) = objects.first() else { return };
        for (id, object) in objects {
            self.encoded_values(*id, object);
        }
        let tree = &first.document().tree;
        let engine = Engine::shared();
        let may_match = |text: &str| engine.may_match(text.as_bytes());
        // Text of a ConfigMap value is searched where it stands, not once more as the object it holds.
        let is_hosted = !std::ptr::eq(first.document(), first.document().shown(0..0).0);
        if is_hosted || !(may_match(tree.source()) || may_match(tree.resolved_text())) {
            return;
        }
        let owners: HashMap<NodeId, (ObjectId, &'i Object)> =
            objects.iter().map(|(id, object)| (object.body().id(), (*id, *object))).collect();
        let ids: HashSet<ObjectId> = objects.iter().map(|(id, _)| *id).collect();
        let top =
            objects.iter().filter(|(_, object)| object.parent.is_none_or(|parent| !ids.contains(&parent)));
        let mut seen = HashSet::new();
        for (id, object) in top {
            self.walk(*id, object, &owners, &mut seen);
        }
        self.comments(objects, &seen);
    }

    /// Every text below an object; `seen` takes the keys found.
    fn walk(
        &mut self,
        id: ObjectId,
        object: &'i Object,
        owners: &HashMap<NodeId, (ObjectId, &'i Object)>,
        seen: &mut HashSet<SecretTag>,
    ) {
        let mut work = vec![(object.body(), id, object)];
        while let Some((value, id, object)) = work.pop() {
            let (id, object) = owners.get(&value.id()).copied().unwrap_or((id, object));
            if let Some(text) = value.text() {
                let found = Engine::shared().scan(text.as_bytes());
                let lines = if found.is_empty() { HashMap::new() } else { lines_in_text(value) };
                for found in found {
                    seen.insert(found.tag);
                    let bytes = lines.get(&found.tag).cloned();
                    self.add(found, id, object, value, bytes);
                }
                continue;
            }
            let from = work.len();
            work.extend(value.children().map(|child| (child, id, object)));
            // Last in, first out: reversed, so that places come in source order.
            if let Some(added) = work.get_mut(from..) {
                added.reverse();
            }
        }
    }

    /// The storage form of a Secret is base64, and the copy that `kubectl apply` keeps of it too.
    fn encoded_values(&mut self, id: ObjectId, object: &'i Object) {
        let field = match (object.group(), &*object.kind) {
            ("", "Secret") => "data",
            ("", "ConfigMap") => "binaryData",
            _ => return,
        };
        for value in object.body().get(field).into_iter().flat_map(Value::children) {
            self.encoded(id, object, value.text(), value);
        }
        let annotations = object.body().at(&["metadata", "annotations"]);
        let last = annotations.and_then(|all| all.get("kubectl.kubernetes.io/last-applied-configuration"));
        if let Some(at) = last
            && let Some(Ok(Some((tree, _)))) = at.text().map(read_json)
        {
            for value in tree.root().get(field).into_iter().flat_map(Value::children) {
                self.encoded(id, object, value.text(), at);
            }
        }
    }

    fn encoded(&mut self, id: ObjectId, object: &'i Object, text: Option<&str>, at: Value<'i>) {
        let Some(bytes) = text.and_then(decode_base64) else { return };
        for found in Engine::shared().scan(&bytes) {
            self.add(found, id, object, at, None);
        }
    }

    /// What stands in the text of the file, but in no value: a line that was commented out is as readable as before.
    fn comments(&mut self, objects: &[(ObjectId, &'i Object)], seen: &HashSet<SecretTag>) {
        let Some((_, first)) = objects.first() else { return };
        for found in Engine::shared().scan(first.document().tree.source().as_bytes()) {
            if seen.contains(&found.tag) {
                continue;
            }
            let holds = |range: Range<usize>| range.contains(&found.range.start);
            let inside = objects.iter().rev().find(|(_, object)| holds(object.body().range()));
            let object = inside.map_or(*first, |(_, object)| *object);
            let bytes = Some(found.range.clone());
            self.put(found, Place { object, at: None, bytes, container: None });
        }
    }

    fn add(
        &mut self,
        found: KeyHit,
        id: ObjectId,
        object: &'i Object,
        at: Value<'i>,
        bytes: Option<Range<usize>>,
    ) {
        let container = self.container_of(id, at);
        self.put(found, Place { object, at: Some(at), bytes, container });
    }

    /// The container a value belongs to.
    fn container_of(&mut self, id: ObjectId, at: Value<'i>) -> Option<Container<'i>> {
        let inventory = self.inventory;
        if self.containers.0 != Some(id) {
            let all = inventory.pods_of(id).flat_map(|pod| pod.containers().map(|one| (one.value.id(), one)));
            self.containers = (Some(id), all.collect());
        }
        let mut next = Some(at);
        while let Some(value) = next {
            if let Some(container) = self.containers.1.get(&value.id()) {
                return Some(*container);
            }
            next = value.parent();
        }
        None
    }

    fn put(&mut self, found: KeyHit, place: Place<'i>) {
        let at = *self.by_tag.entry(found.tag).or_insert_with(|| {
            self.keys.push(Key { found, places: Vec::new() });
            self.keys.len().saturating_sub(1)
        });
        let Some(key) = self.keys.get_mut(at) else { return };
        // An alias repeats its anchor's text, and a text can hold a key twice: one place. Documents come one by one.
        let here = |known: &&Place<'i>| std::ptr::eq(known.object.document(), place.object.document());
        let range = |place: &Place<'i>| place.at.map(Value::range);
        let is_known = key.places.iter().rev().take_while(here).any(|known| range(known) == range(&place));
        if !is_known {
            key.places.push(place);
            self.places = self.places.saturating_add(1);
        }
    }
}

/// Where each key stands in a text of many lines: the text begins elsewhere.
fn lines_in_text(at: Value<'_>) -> HashMap<SecretTag, Range<usize>> {
    let whole = at.range();
    let Some(text) = at.tree().source().get(whole.clone()).filter(|text| text.contains('\n')) else {
        return HashMap::new();
    };
    let mut lines = HashMap::new();
    for hit in Engine::shared().scan(text.as_bytes()) {
        let place = whole.start.saturating_add(hit.range.start)..whole.start.saturating_add(hit.range.end);
        lines.entry(hit.tag).or_insert(place);
    }
    lines
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
