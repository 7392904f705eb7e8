//! One team's GPUs are another team's queue: the scheduler counts extended resources, nothing else does.

use ringfence_lab::need;

use crate::facts::is_unschedulable;
use crate::facts::runs_on;

#[test]
#[ignore = "needs lab tier 1b: schedules onto a fake node"]
fn six_of_eight_gpus_leave_a_second_six_pending() {
    let cluster = need!(ControlPlane, destructive);
    let node = cluster.fake_node("eight", 8);
    let namespace = cluster.namespace("gpus");
    let train = |name: &str| {
        let node = node.name();
        // A kubectl of the user's may be older, and takes what starts with a brace for JSON.
        let yaml = format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{
               nodeSelector: {{kubernetes.io/hostname: {node}}},
               containers: [{{name: train, image: train, resources: {{limits: {{nvidia.com/gpu: 6}}}}}}]}}}}"
        );
        namespace.apply(&yaml).ok();
    };
    train("first");
    assert_eq!(runs_on(&namespace, "first"), node.name());
    train("second");
    let verdict = is_unschedulable(&namespace, "second");
    assert!(verdict.contains("Insufficient nvidia.com/gpu"), "{verdict}");
    // They are free again when the first is gone.
    namespace.kubectl(&["delete", "pod", "first"]).ok();
    assert_eq!(runs_on(&namespace, "second"), node.name());
}
