//! Room `domain`: RF-SEC-001, keys written into a workload (guide 18). By name only: CEL has no entropy and no key shapes; a
//! scan judges values too.

use super::Rule;
use super::case::list;
use super::case::text;
use super::cel;

/// Names that hold a key, beside all that end in `_API_KEY`.
const NAMES: [&str; 3] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY"];

pub(super) const INSIDE: &[Rule] = &[Rule {
    message: "RF-SEC-001 env: a key stands in the workload itself, where everybody who may read pods reads it. Fix: keep it \
              in a Secret and use valueFrom.secretKeyRef, and rotate it.",
    cel: |_| {
        format!(
            "variables.all.all(c, !has(c.env) || c.env.all(e, !has(e.value) || e.value == '' || \
             !(e.name.endsWith('_API_KEY') || e.name in {})))",
            cel::list(NAMES)
        )
    },
    holds: |case| {
        let mut variables = case.all_containers().flat_map(|it| list(it, "env"));
        !variables.any(|it| {
            let is_key = |name: &str| name.ends_with("_API_KEY") || NAMES.contains(&name);
            text(it, "value").is_some() && text(it, "name").is_some_and(is_key)
        })
    },
}];
