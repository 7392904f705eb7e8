//! RF-DATA-008: one pod in, memory volumes without a bound, or above the memory limit, out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Container;
use ringfence_inventory::Pod;
use ringfence_inventory::Role;
use ringfence_inventory::accelerator::bytes;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A memory volume without a bound takes the node's memory until the kernel kills somebody.
///
/// ## What it sees
/// `emptyDir` with `medium: Memory` and no `sizeLimit` (or `0`, which means none), in any AI workload; and a
/// `sizeLimit` above the memory limit of the containers that mount the volume, taken together. Containers without a
/// memory limit are not compared.
///
/// ## Why it matters for AI
/// `/dev/shm` is 64 MiB by default and PyTorch data loaders and NCCL crash with it, so training pods get a memory
/// volume. What is written there counts as memory of the container that writes. Without a bound, one data loader drives
/// the node out of memory and takes the other tenants' trainings with it; with a bound above the limit, the job is
/// killed hours in, when the volume fills.
///
/// ## Bad
/// ```yaml
/// volumes:
///   - name: shm
///     emptyDir: {medium: Memory}
/// ```
///
/// ## Good
/// ```yaml
/// volumes:
///   - name: shm
///     emptyDir: {medium: Memory, sizeLimit: 16Gi} # of a memory limit of 64Gi
/// ```
///
/// ## Fix and its side effects
/// Set `sizeLimit` to the memory limit of the container: that cannot break a job that works today, since the limit
/// already bounds it. Half of the limit leaves room for the process itself. Do not take `hostIPC` instead: it opens the
/// shared memory of every process on the node.
///
/// ## When it is unknown
/// The size or the memory limit is a variable.
///
/// ## References
/// - guide: G41, G45
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Data, 8),
        slug: "shm-unbounded",
        title: "memory volume without a bound",
        risk: "one data loader fills the node's memory, and the kernel kills other teams' trainings",
        cure: "set `emptyDir.sizeLimit`, at most the memory limit of the container that mounts it",
        severity: Severity::Medium,
        fix: FixClass::Safe,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "G41" },
            Reference { framework: "guide", version: "1", id: "G45" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    if pod.built_by_operator() && pod.volumes().next().is_none() {
        return results.not_applicable();
    }
    for volume in pod.volumes() {
        let Some(directory) = volume.get("emptyDir") else { continue };
        let Some(medium) = directory.get("medium").filter(|medium| medium.text() == Some("Memory")) else {
            continue;
        };
        let object = pod.object();
        let limit = directory.get("sizeLimit");
        match limit.map(|limit| (limit, bytes(limit))) {
            None | Some((_, Some(0))) => {
                let field = format!("{}.sizeLimit", object.field(directory));
                let at = limit.unwrap_or(medium);
                let hit = Hit::at(object, at, "mounts shared memory without a bound");
                results.fail(if limit.is_none() { hit.missing(field) } else { hit });
            }
            Some((limit, None)) => {
                results.unknown(object, Some(limit), "the `sizeLimit` of this volume is a variable");
            }
            Some((limit, Some(size))) => compare(pod, volume, limit, size, results),
        }
    }
}

fn compare(pod: Pod<'_>, volume: Value<'_>, limit: Value<'_>, size: u128, results: &mut Results<'_>) {
    let mounts = |container: &Container<'_>| {
        let mounts = container.get("volumeMounts").into_iter().flat_map(Value::items);
        let name = volume.get("name").and_then(Value::text);
        mounts.filter_map(|mount| mount.get("name")?.text()).any(|mount| Some(mount) == name)
    };
    let (together, before): (Vec<_>, Vec<_>) = pod
        .containers()
        .filter(mounts)
        .partition(|container| container.role != Role::Init || container.is_sidecar());
    // Init containers run one after another: what the main ones may use decides, if any of them mounts it.
    let users = if together.is_empty() { before } else { together };
    if users.is_empty() {
        return;
    }
    let of_pod = pod.get("resources").and_then(|resources| resources.at(&["limits", "memory"]));
    let mut limits: Vec<Value<'_>> = Vec::new();
    for user in &users {
        let Some(memory) = user.resource("limits", "memory") else {
            // Without a limit of its own the pod's holds for all, if there is one.
            limits = of_pod.into_iter().collect();
            break;
        };
        limits.push(memory);
    }
    let mut sum = 0_u128;
    for memory in &limits {
        let Some(memory) = bytes(*memory) else {
            return results.unknown(
                pod.object(),
                Some(limit),
                "the memory limit beside this volume is a variable",
            );
        };
        sum = sum.saturating_add(memory);
    }
    let Some(shown) = limits.first().filter(|_| size > sum) else { return };
    let message = match (limit.text(), shown.text(), limits.len()) {
        (Some(size), Some(limit), 1) if size.len() < 8 && limit.len() < 8 => {
            format!("allows {size} of shm over a {limit} limit")
        }
        _ => "allows more shm than its memory limit".to_owned(),
    };
    let hit = Hit::at(pod.object(), limit, message);
    results.fail(limits.iter().fold(hit, |hit, memory| hit.also_at(pod.object(), *memory)));
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Finding;
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    fn job(directory: &str, containers: &[&str]) -> Vec<Finding> {
        let containers = containers.iter().enumerate().map(|(index, resources)| {
            format!(
                "      - {{name: c{index}, image: x, resources: {resources}, volumeMounts: [{{name: shm, mountPath: /dev/shm}}]}}\n"
            )
        });
        let text = format!(
            "apiVersion: batch/v1
kind: Job
metadata: {{name: j, namespace: ml}}
spec:
  activeDeadlineSeconds: 60
  template:
    spec:
      volumes: [{{name: shm, emptyDir: {directory}}}]
      containers:
      - {{name: gpu, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}
{}",
            containers.collect::<String>()
        );
        judged("RF-DATA-008", &text)
    }

    #[test]
    fn bad_fixture_fails_at_the_volume() {
        insta::assert_snapshot!(one_line("shm-unbounded", "bad"), @"MEDIUM RF-DATA-008 Deployment/ml/model: mounts shared memory without a bound");
    }

    #[test]
    fn unknown_fixture_names_the_variable() {
        insta::assert_snapshot!(one_line("shm-unbounded", "unknown"), @"UNKNOWN RF-DATA-008 Deployment/ml/model: the `sizeLimit` of this volume is a variable");
    }

    #[test]
    fn sizes_are_compared_with_the_limits_of_those_that_mount_it() {
        let small = "{limits: {memory: 8Gi}}";
        for (directory, containers, expected) in [
            ("{medium: Memory}", vec![small], Some("mounts shared memory without a bound")),
            ("{medium: Memory, sizeLimit: 0}", vec![small], Some("mounts shared memory without a bound")),
            ("{medium: Memory, sizeLimit: 16Gi}", vec![small], Some("allows 16Gi of shm over a 8Gi limit")),
            ("{medium: Memory, sizeLimit: 16Gi}", vec![small, small], None),
            (
                "{medium: Memory, sizeLimit: 17Gi}",
                vec![small, small],
                Some("allows more shm than its memory limit"),
            ),
            ("{medium: Memory, sizeLimit: 8Gi}", vec![small], None),
            ("{medium: Memory, sizeLimit: 16Gi}", vec!["{}"], None),
            ("{medium: Memory, sizeLimit: 16Gi}", vec![small, "{}"], None),
            ("{medium: Memory, sizeLimit: 16Gi}", vec![], None),
            ("{sizeLimit: 16Gi}", vec![small], None),
            ("{}", vec![small], None),
        ] {
            let findings = job(directory, &containers);
            let messages: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
            assert_eq!(messages, expected.into_iter().collect::<Vec<_>>(), "{directory} {containers:?}");
        }
    }

    #[test]
    fn a_variable_on_either_side_is_unknown() {
        for (directory, container) in [
            ("{medium: Memory, sizeLimit: '${SHM}'}", "{limits: {memory: 8Gi}}"),
            ("{medium: Memory, sizeLimit: 16Gi}", "{limits: {memory: '${MEMORY}'}}"),
        ] {
            let findings = job(directory, &[container]);
            assert_eq!(findings.len(), 1, "{directory}");
            assert_eq!(findings[0].outcome, Outcome::Unknown, "{directory}");
        }
    }

    #[test]
    fn the_limit_of_the_pod_holds_for_containers_without_one() {
        let text = |size: &str| {
            format!(
                "apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: r, namespace: ml}}
spec:
  workerGroupSpecs:
  - groupName: w
    template:
      spec:
        resources: {{limits: {{memory: 32Gi}}}}
        containers:
        - name: worker
          image: x
          resources: {{limits: {{nvidia.com/gpu: 1}}}}
          volumeMounts: [{{name: shm, mountPath: /dev/shm}}]
        volumes: [{{name: shm, emptyDir: {{medium: Memory, sizeLimit: {size}}}}}]
"
            )
        };
        assert_eq!(judged("RF-DATA-008", &text("32Gi")).len(), 0);
        let findings = judged("RF-DATA-008", &text("64Gi"));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].message, "allows 64Gi of shm over a 32Gi limit");
    }
}
