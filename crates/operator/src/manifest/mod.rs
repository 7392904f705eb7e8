//! Room `operator`: a file of SecurityDomains in, the objects or what is wrong with them, each with its line, out. The
//! same schema and rules that the API server applies, so that a file fails here before it fails there.
//!
//! `text -> documents -> tree -> schema of the definition -> types -> rules (CEL) -> resolve`

mod schema;

use kube::core::cel::ValidationErrors;
use ringfence_domain::SecurityDomain;
use ringfence_domain::resolve;
use ringfence_inventory::yaml::Scalar;
use ringfence_inventory::yaml::Value as Node;
use ringfence_inventory::yaml::read_yaml;
use serde_json::Map;
use serde_json::Value;

/// Something in a file that keeps it from being applied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Path of the field; empty for the document.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}: ", self.line, self.column)?;
        if !self.field.is_empty() {
            write!(out, "{}: ", self.field)?;
        }
        out.write_str(&self.message)
    }
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Its domains, if nothing is wrong with them.
    pub domains: Vec<SecurityDomain>,
    /// What is wrong, in the order of the text.
    pub faults: Vec<Fault>,
    /// Objects of other kinds, as `Kind/name` where they have a name: they are passed over.
    pub others: Vec<String>,
}

/// Reads all documents of a text.
pub fn read_manifest(text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    for piece in ringfence_inventory::split(text) {
        let Some(part) = text.get(piece.range.clone()) else { continue };
        let place = |at: usize| line_and_column(text, piece.range.start + at);
        match read_yaml(part) {
            Ok(None) => {}
            Ok(Some(tree)) => one(tree.root(), &place, &mut manifest),
            Err(error) => {
                let (line, column) = place(error.at());
                manifest.faults.push(Fault {
                    line,
                    column,
                    field: String::new(),
                    message: error.to_string(),
                });
            }
        }
    }
    manifest
}

/// One document.
fn one(root: Node<'_>, place: &dyn Fn(usize) -> (usize, usize), manifest: &mut Manifest) {
    let kind = root.str_at("kind");
    if kind != Some("SecurityDomain") {
        let name = root.at(&["metadata", "name"]).and_then(Node::as_str);
        manifest.others.push(match (kind, name) {
            (Some(kind), Some(name)) => format!("{kind}/{name}"),
            (Some(kind), None) => kind.to_owned(),
            (None, _) => "a document without a kind".to_owned(),
        });
        return;
    }
    let fault = |node: Node<'_>, field: String, message: String| {
        let (line, column) = place(node.key_range().unwrap_or_else(|| node.range()).start);
        Fault { line, column, field, message }
    };
    let mut faults = Vec::new();
    let version = root.str_at("apiVersion").unwrap_or_default();
    if version != "ringfence.dev/v1alpha1" {
        let node = root.get("apiVersion").unwrap_or(root);
        faults.push(fault(node, "apiVersion".into(), format!("`{version}` is not ringfence.dev/v1alpha1")));
    }
    for duplicate in root.tree().duplicates() {
        let (line, column) = place(duplicate.wins.start);
        let message = "this key stands in its mapping twice: remove one".to_owned();
        faults.push(Fault { line, column, field: String::new(), message });
    }
    schema::check(root, &mut |node, field, message| faults.push(fault(node, field, message)));
    if faults.is_empty() {
        match serde_json::from_value::<SecurityDomain>(value(root)) {
            Ok(domain) => {
                rules(root, &domain, &mut |node, field, message| faults.push(fault(node, field, message)));
                if faults.is_empty() {
                    manifest.domains.push(domain);
                }
            }
            Err(error) => faults.push(fault(root, String::new(), error.to_string())),
        }
    }
    faults.sort_by_key(|it| (it.line, it.column));
    manifest.faults.append(&mut faults);
}

/// The rules of the definition, and what no rule can say.
fn rules(root: Node<'_>, domain: &SecurityDomain, fault: &mut dyn FnMut(Node<'_>, String, String)) {
    for error in domain.validate_cel().err().into_iter().flat_map(ValidationErrors::into_vec) {
        // A rule over a field that is not there is the server's to judge: it knows the defaults.
        fault(nearest_node(root, &error.field_path), error.field_path.clone(), error.message.clone());
    }
    for problem in resolve(&domain.spec).err().into_iter().flatten() {
        fault(
            nearest_node(root, &problem.field),
            problem.field.clone(),
            format!("{}. Fix: {}", problem.cause, problem.cure),
        );
    }
}

/// The node that a path leads to, or the last one on the way. Items are found by index, by `key=value`, or by value.
fn nearest_node<'t>(root: Node<'t>, path: &str) -> Node<'t> {
    let mut node = root;
    let mut rest = path;
    while !rest.is_empty() {
        let next = if let Some((item, after)) = rest.strip_prefix('[').and_then(|it| it.split_once(']')) {
            rest = after;
            match (item.parse::<usize>(), item.split_once('=')) {
                (Ok(index), _) => node.items().nth(index),
                (_, Some((key, value))) => node.items().find(|it| it.str_at(key) == Some(value)),
                _ => node.items().find(|it| it.as_str() == Some(item)),
            }
        } else {
            let start = rest.strip_prefix('.').unwrap_or(rest);
            let (key, after) = start.split_at(start.find(['.', '[']).unwrap_or(start.len()));
            rest = after;
            node.get(key)
        };
        let Some(next) = next else { break };
        node = next;
    }
    node
}

/// The value as JSON.
pub(crate) fn value(node: Node<'_>) -> Value {
    if node.is_mapping() {
        return node.entries().map(|(key, it)| (key.to_owned(), value(it))).collect::<Map<_, _>>().into();
    }
    if node.is_sequence() {
        return node.items().map(value).collect();
    }
    match node.scalar() {
        None | Some(Scalar::Null) => Value::Null,
        Some(Scalar::Bool(it)) => it.into(),
        Some(Scalar::Int(it)) => it.into(),
        Some(Scalar::UInt(it)) => it.into(),
        Some(Scalar::Float(it)) => it.into(),
        Some(Scalar::Str(it)) => it.into(),
    }
}

/// Line and column of a byte, both from 1.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |it| it + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(spec: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: ringfence.dev/v1alpha1\nkind: SecurityDomain\nmetadata: {{name: ml}}\n{spec}"
        );
        let manifest = read_manifest(&text);
        assert!(manifest.faults.is_empty() != manifest.domains.is_empty(), "{manifest:?}");
        manifest.faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ten_lines_are_a_domain() {
        let spec = "spec:\n  namespaces: {names: [ml-training]}\n  nodes:\n    selector: {matchLabels: {gpu: yes-please}}\n";
        assert_eq!(faults(spec), Vec::<String>::new());
    }

    #[test]
    fn a_typing_error_names_line_field_and_cure() {
        let spec = "spec:\n  namespaces: {names: [ml]}\n  tierr: Sealed\n";
        assert_eq!(faults(spec), ["6:3: spec.tierr: unknown field, did you mean `tier`?"]);
        let spec = "spec:\n  namespaces: {names: [ml]}\n  tier: sealed\n";
        assert_eq!(
            faults(spec),
            ["6:3: spec.tier: `sealed` is none of Baseline, Restricted, Sealed, did you mean Sealed?"]
        );
        let spec = "spec:\n  namespaces: {names: [ml]}\n  podSecurity: {shm: {percent: 90}}\n";
        assert_eq!(faults(spec), ["6:23: spec.podSecurity.shm.percent: 90 is more than 80"]);
    }

    #[test]
    fn what_only_the_address_says_is_found_at_its_item() {
        let spec = "spec:\n  namespaces: {names: [ml]}\n  network:\n    internalCIDRs:\n    - 10.1.0.0/16\n    - 10.0.0.1/8\n";
        let found = faults(spec);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("9:7: spec.network.internalCIDRs[10.0.0.1/8]: "), "{found:?}");
        assert!(found[0].contains("the range it lies in is 10.0.0.0/8"), "{found:?}");
    }

    #[test]
    fn a_rule_across_fields_is_told() {
        let spec = "spec:\n  namespaces: {names: [ml]}\n  nodes:\n    taint: {effect: NoExecute}\n";
        let found = faults(spec);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("6:3: spec.nodes: taint.effect NoExecute evicts"), "{found:?}");
        let spec = "spec:\n  tier: Sealed\n  namespaces: {names: [ml]}\n  network:\n    internalCIDRs: [10.1.0.0/16]\n";
        assert!(faults(spec)[0].contains("not allowed in tier Sealed"), "{:?}", faults(spec));
    }

    #[test]
    fn a_rule_sees_a_field_whose_name_is_a_word_of_its_language() {
        let egress = |to: &str| {
            faults(&format!(
                "spec:\n  namespaces: {{names: [ml]}}\n  network: {{egress: [{{name: a, to: {to}, ports: [{{port: 443}}]}}]}}\n"
            ))
        };
        assert_eq!(egress("{namespace: models}"), Vec::<String>::new());
        let both = egress("{namespace: models, cidr: 10.0.0.0/8}");
        assert!(both.len() == 1 && both[0].contains("exactly one of namespace"), "{both:?}");
    }

    #[test]
    fn what_stands_twice_is_told() {
        let spec = "spec:\n  namespaces: {names: [ml, ml]}\n";
        assert_eq!(faults(spec), ["5:28: spec.namespaces.names[1]: `ml` stands in the list twice"]);
    }

    #[test]
    fn other_documents_are_passed_over_and_broken_ones_lose_only_themselves() {
        let text = "kind: ConfigMap\nmetadata: {name: a}\n---\n{]\n---\napiVersion: ringfence.dev/v1alpha1\nkind: SecurityDomain\n\
                    metadata: {name: ml}\nspec: {namespaces: {names: [ml]}}\n";
        let manifest = read_manifest(text);
        assert_eq!(manifest.others, ["ConfigMap/a"]);
        assert_eq!(manifest.domains.len(), 1);
        assert_eq!(manifest.faults.iter().map(|it| it.line).collect::<Vec<_>>(), [4]);
    }
}
