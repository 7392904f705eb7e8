//! Custom resource definitions with deep schemas and long descriptions: they hold most of the bytes of a
//! repository of this kind, and a scan that reads them in full has lost the race.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::rng::Rng;

/// How many there are of each size in bytes, about: a few giants that embed whole pod templates, a
/// middle class, and many small ones.
pub(super) const SIZES: [(usize, i64); 4] = [(6, 660_000), (20, 250_000), (50, 100_000), (50, 44_000)];

const DEEPEST: usize = 16;

/// One CRD of about `bytes` as YAML; `lines` breaks its descriptions into lines, as newer generators do.
pub(super) fn definition(rng: &mut Rng, number: usize, bytes: i64, lines: bool) -> Value {
    let kind = format!("{}{number}", pascal(&rng.field()));
    let singular = kind.to_ascii_lowercase();
    let group = format!("{}.example.dev", rng.word());
    let mut schema = Schema { rng, left: bytes, lines };
    let spec = schema.object(5);
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let properties = json!({
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
        "spec": spec, "status": status,
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{singular}s.{group}"), "labels": {"app.kubernetes.io/part-of": group}},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": format!("{singular}s"), "singular": singular},
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": properties, "required": ["spec"]}},
            }],
        },
    })
}

struct Schema<'a> {
    rng: &'a mut Rng,
    left: i64,
    lines: bool,
}

impl Schema<'_> {
    /// The outermost object takes properties until the bytes are spent.
    fn object(&mut self, depth: usize) -> Value {
        let mut properties = Map::new();
        while self.left > 0 {
            properties.insert(format!("{}{}", self.rng.field(), properties.len()), self.property(depth));
        }
        json!({"type": "object", "description": self.description(depth), "properties": properties})
    }

    fn property(&mut self, depth: usize) -> Value {
        self.spend(40 + 4 * depth);
        let description = self.description(depth);
        let inner = depth < DEEPEST && self.left > 0;
        match self.rng.below(if inner { 9 } else { 6 }) {
            0 => json!({"type": "integer", "format": "int32", "minimum": 0, "description": description}),
            1 => json!({"type": "boolean", "default": self.rng.chance(50), "description": description}),
            2 => {
                json!({"type": "string", "enum": ["Always", "IfNotPresent", "Never"], "description": description})
            }
            3 => json!({
                "anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true,
                "pattern": "^[0-9]+(m|Ki|Mi|Gi)?$", "description": description,
            }),
            4 => json!({
                "type": "object", "additionalProperties": {"type": "string"}, "description": description,
            }),
            5 => json!({"type": "string", "description": description}),
            6 => json!({"type": "array", "items": self.branch(depth + 2), "description": description}),
            _ => self.branch(depth + 1),
        }
    }

    fn branch(&mut self, depth: usize) -> Value {
        let mut properties = Map::new();
        for _ in 0..self.rng.between(2, 9) {
            let property = self.property(depth + 1);
            properties.insert(self.rng.field(), property);
        }
        let required: Vec<&String> = properties.keys().take(1).collect();
        json!({
            "type": "object", "required": required, "properties": properties,
            "description": self.description(depth),
        })
    }

    fn description(&mut self, depth: usize) -> String {
        let sentences: Vec<String> = (0..self.rng.between(1, 4)).map(|_| self.rng.sentence()).collect();
        let text = sentences.join(if self.lines { "\n" } else { " " });
        self.spend(text.len() + (1 + text.len() / 70) * (2 + 4 * depth) / 2);
        text
    }

    fn spend(&mut self, bytes: usize) {
        self.left -= i64::try_from(bytes).unwrap_or(i64::MAX);
    }
}

fn pascal(camel: &str) -> String {
    let mut letters = camel.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
