//! How many pods of a template run at a time, by the kind's own replica fields.

use crate::yaml::Value;

/// No real template runs more; a wild number in a manifest must not wrap the sums.
const MAX: u64 = 1_000_000;

/// Walks from the template up to the object and multiplies what each level says: a Deployment's `replicas`, a Job's
/// `parallelism`, a JobSet's both, a Ray worker group's `replicas` times `numOfHosts`, a LeaderWorkerSet's `size`.
pub(super) fn replicas(body: Value<'_>, template: Value<'_>) -> u32 {
    let mut product = 1_u64;
    let mut next = Some(template);
    let mut below = template.key();
    while let Some(level) = next {
        if level.is_mapping() {
            let count = |key: &str| {
                level.get(key).and_then(Value::as_i64).and_then(|count| u64::try_from(count).ok())
            };
            let own = ["replicas", "parallelism", "minReplicas"].into_iter().find_map(count);
            // A Ray worker group's hosts, a TrainJob's nodes.
            let hosts = count("numOfHosts").or_else(|| count("numNodes")).unwrap_or(1);
            let size = match (level.get("size").is_some(), below) {
                // One leader and size - 1 workers; without a leader template the worker template makes all.
                (true, Some("workerTemplate")) if level.get("leaderTemplate").is_some() => {
                    count("size").unwrap_or(1).saturating_sub(1)
                }
                (true, Some("workerTemplate")) => count("size").unwrap_or(1),
                _ => 1,
            };
            for factor in [own.unwrap_or(1), hosts, size] {
                product = product.saturating_mul(factor).min(MAX);
            }
        }
        if level.id() == body.id() {
            break;
        }
        below = level.key();
        next = level.parent();
    }
    u32::try_from(product).unwrap_or(u32::MAX)
}
