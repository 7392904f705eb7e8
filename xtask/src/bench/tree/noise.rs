//! Files that are YAML or JSON and no Kubernetes objects: CI workflows, chart values, kustomizations,
//! manifests of other tools, comment-only documents, templates that nobody rendered.

use serde_json::Value;
use serde_json::json;

use super::rng::Rng;

/// One file: its path and its value.
pub(super) fn workflow(rng: &mut Rng, number: usize) -> (String, Value) {
    let steps: Vec<Value> = (0..rng.between(3, 12))
        .map(
            |_| json!({"name": rng.sentence(), "run": format!("make {}\nmake {}\n", rng.word(), rng.word())}),
        )
        .collect();
    let jobs = json!({"build": {"runs-on": "ubuntu-latest", "timeout-minutes": 30, "steps": steps}});
    let value = json!({"name": rng.name(), "on": {"push": {"branches": ["main"]}}, "jobs": jobs});
    (format!(".github/workflows/{}-{number}.yml", rng.name()), value)
}

pub(super) fn values(rng: &mut Rng, number: usize) -> (String, Value) {
    let mut value = json!({
        "image": {"repository": "registry.example/team/app", "tag": "1.0", "pullPolicy": "IfNotPresent"},
        "replicaCount": rng.between(1, 9), "resources": {"limits": {"memory": "4Gi"}},
        "ingress": {"enabled": rng.chance(50), "hosts": [{"host": "app.example.dev"}]},
    });
    for _ in 0..rng.between(4, 40) {
        value[rng.field()] =
            json!({"enabled": rng.chance(50), rng.field(): rng.name(), "note": rng.sentence()});
    }
    (
        format!("environments/{}/{}-{number}.values.yaml", rng.pick(&["dev", "stage", "prod"]), rng.name()),
        value,
    )
}

pub(super) fn kustomization(rng: &mut Rng, number: usize) -> (String, Value) {
    let value = json!({"namespace": rng.name(), "labels": [{"pairs": {"team": rng.word()}}], "images": [{"name": "app", "newTag": "2"}]});
    (format!("overlays/{}-{number}/kustomization.yaml", rng.name()), value)
}

pub(super) fn settings(rng: &mut Rng, number: usize) -> (String, Value) {
    let mut value = json!({"name": rng.name(), "version": "1.0.0", "private": true});
    for _ in 0..rng.between(5, 60) {
        value[rng.field()] = json!({"version": rng.hex(8), "integrity": rng.hex(64)});
    }
    (format!("tools/{}-{number}/package.json", rng.name()), value)
}

/// A template in a plain folder: no chart around it that could render it.
pub(super) fn template(rng: &mut Rng, number: usize) -> (String, String) {
    let name = rng.name();
    let text = format!(
        "{{{{- if .Values.{name}.enabled }}}}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{{{ .Release.Name }}}}-{name}\n  \
         labels:\n    {{{{- include \"labels\" . | nindent 4 }}}}\nspec:\n  replicas: {{{{ .Values.replicas }}}}\n{{{{- end }}}}\n"
    );
    (format!("snippets/{name}-{number}.yaml"), text)
}

pub(super) fn comment(rng: &mut Rng) -> String {
    (0..rng.between(2, 6)).map(|_| "# ".to_owned() + &rng.sentence() + "\n").collect()
}
