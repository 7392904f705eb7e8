//! The level of Pod Security admission of a namespace decides who gets in; without a label everybody does.

use ringfence_lab::need;

const PRIVILEGED: &str = "---\n{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {hostPID: true, containers: [{name: c, image: c, securityContext: {privileged: true}}]}}";

#[test]
#[ignore = "needs lab tier 1b: admission judges pods"]
fn without_a_level_a_privileged_pod_gets_in_and_warnings_stop_nothing() {
    let cluster = need!(ControlPlane);
    for (stem, label, gets_in) in [
        ("bare", "a=b", true),
        ("warned", "pod-security.kubernetes.io/warn=restricted", true),
        ("privileged", "pod-security.kubernetes.io/enforce=privileged", true),
        ("baseline", "pod-security.kubernetes.io/enforce=baseline", false),
        ("restricted", "pod-security.kubernetes.io/enforce=restricted", false),
    ] {
        let namespace = cluster.namespace(stem);
        cluster.kubectl(&["label", "namespace", namespace.name(), label]).ok();
        if gets_in {
            namespace.apply(PRIVILEGED).ok();
        } else {
            let said = namespace.apply(PRIVILEGED).refused();
            assert!(said.contains("violates PodSecurity"), "{stem}: {said}");
        }
    }
}
