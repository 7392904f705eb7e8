//! Room `domain`: templates against the Pod Security Standards, as the API server will judge the pods that are made from them
//! (`k8s.io/pod-security-admission`, version `latest` of Kubernetes 1.36). Of running pods the API server tells itself; what has
//! no pod yet it judges for nobody.

use serde_json::Value;

use crate::rule::case::is_set;
use crate::rule::case::list;
use crate::rule::case::object;
use crate::rule::case::text;
use crate::rule::host::CAPABILITIES;
use crate::spec::Level;

/// Sysctls that may be set.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];
/// Types of SELinux that may be set.
const TYPES: [&str; 4] = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
/// Kinds of volumes in `restricted`.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
/// From which level on something is refused, what the API server calls it, and whether a pod does it.
type Check = (Level, &'static str, fn(&Pod<'_>) -> bool);

const CHECKS: [Check; 18] = [
    (Level::Restricted, "allowPrivilegeEscalation != false", escalates),
    (Level::Baseline, "forbidden AppArmor profile", app_armor),
    (Level::Baseline, "non-default capabilities", capabilities),
    (Level::Restricted, "unrestricted capabilities", capabilities_left),
    (Level::Baseline, "host namespaces", |it| {
        ["hostNetwork", "hostPID", "hostIPC"].iter().any(|flag| is_set(it.spec, flag))
    }),
    (Level::Baseline, "hostPath volumes", |it| list(it.spec, "volumes").any(|it| is_there(it, "hostPath"))),
    (Level::Baseline, "hostPort", |it| {
        let mut ports = it.containers().flat_map(|it| list(it, "ports"));
        ports.any(|it| it.get("hostPort").and_then(Value::as_i64).is_some_and(|port| port != 0))
    }),
    (Level::Baseline, "probe or lifecycle host", names_hosts),
    (Level::Baseline, "privileged", |it| it.contexts_of_containers().any(|it| is_set(it, "privileged"))),
    (Level::Baseline, "procMount", |it| {
        let may = it.level == Level::Baseline && it.has_own_users();
        let mut mounts = it.contexts_of_containers().filter_map(|it| text(it, "procMount"));
        !may && mounts.any(|it| it != "Default")
    }),
    (Level::Restricted, "restricted volume types", |it| {
        // One that says nothing becomes an emptyDir.
        let is_bare = |it: &Value| it.as_object().is_some_and(|it| it.keys().all(|key| key == "name"));
        !list(it.spec, "volumes").all(|it| is_bare(it) || VOLUMES.iter().any(|kind| is_there(it, kind)))
    }),
    (Level::Restricted, "runAsNonRoot != true", runs_as_root),
    (Level::Restricted, "runAsUser=0", |it| {
        let zero = |it: &Value| it.get("runAsUser").and_then(Value::as_i64) == Some(0);
        !it.has_own_users() && it.contexts().any(zero)
    }),
    (Level::Baseline, "seLinuxOptions", |it| {
        it.contexts().filter_map(|it| object(it, "seLinuxOptions")).any(se_linux)
    }),
    (Level::Baseline, "seccompProfile", |it| !it.has_fine_seccomp()),
    (Level::Restricted, "seccompProfile", |it| {
        it.has_fine_seccomp() && !it.is_windows() && lacks_seccomp(it)
    }),
    (Level::Baseline, "forbidden sysctls", |it| {
        let sysctls = object(it.spec, "securityContext").into_iter().flat_map(|it| list(it, "sysctls"));
        sysctls.filter_map(|it| text(it, "name")).any(|name| !SYSCTLS.contains(&name))
    }),
    (Level::Baseline, "hostProcess", |it| {
        it.contexts().filter_map(|it| object(it, "windowsOptions")).any(|it| is_set(it, "hostProcess"))
    }),
];

/// What pods with this spec do that a level refuses, in the API server's words without its details. `app_armor`: values of the
/// AppArmor annotations of its containers.
pub(super) fn violations(level: Level, spec: &Value, app_armor: &[String]) -> Vec<&'static str> {
    let pod = Pod { level, spec, app_armor };
    let asked = CHECKS.iter().filter(|(from, name, _)| *from <= level && !is_replaced(level, name));
    asked.filter(|(.., does)| does(&pod)).map(|(_, name, _)| *name).collect()
}

/// In `restricted` a stricter check stands in the place of these.
fn is_replaced(level: Level, name: &str) -> bool {
    level == Level::Restricted && ["non-default capabilities", "hostPath volumes"].contains(&name)
}

/// A pod as the checks see it.
struct Pod<'a> {
    level: Level,
    spec: &'a Value,
    app_armor: &'a [String],
}

impl<'a> Pod<'a> {
    fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        ["initContainers", "containers", "ephemeralContainers"]
            .into_iter()
            .flat_map(|key| list(self.spec, key))
    }

    fn contexts_of_containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.containers().filter_map(|it| object(it, "securityContext"))
    }

    fn context(&self) -> Option<&'a Value> {
        object(self.spec, "securityContext")
    }

    /// Of the pod, and of its containers.
    fn contexts(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.context().into_iter().chain(self.contexts_of_containers())
    }

    /// In a user namespace of its own root is nobody.
    fn has_own_users(&self) -> bool {
        self.spec.get("hostUsers").and_then(Value::as_bool) == Some(false)
    }

    fn is_windows(&self) -> bool {
        self.spec.pointer("/os/name").and_then(Value::as_str) == Some("windows")
    }

    fn has_fine_seccomp(&self) -> bool {
        self.contexts().filter_map(|it| object(it, "seccompProfile")).all(is_confined)
    }
}

/// A profile of seccomp or AppArmor that is not `Unconfined`.
fn is_confined(profile: &Value) -> bool {
    matches!(text(profile, "type"), Some("RuntimeDefault" | "Localhost"))
}

fn is_there(value: &Value, key: &str) -> bool {
    value.get(key).is_some_and(|it| !it.is_null())
}

fn escalates(pod: &Pod<'_>) -> bool {
    let denies = |it: &Value| {
        let says = object(it, "securityContext").and_then(|it| it.get("allowPrivilegeEscalation")?.as_bool());
        says == Some(false)
    };
    !pod.is_windows() && !pod.containers().all(denies)
}

fn app_armor(pod: &Pod<'_>) -> bool {
    let is_fine = |it: &String| it.is_empty() || it == "runtime/default" || it.starts_with("localhost/");
    !pod.app_armor.iter().all(is_fine)
        || !pod.contexts().filter_map(|it| object(it, "appArmorProfile")).all(is_confined)
}

fn added(container: &Value) -> impl Iterator<Item = &str> {
    let added = container.pointer("/securityContext/capabilities").into_iter().flat_map(|it| list(it, "add"));
    added.filter_map(Value::as_str)
}

fn capabilities(pod: &Pod<'_>) -> bool {
    pod.containers().flat_map(added).any(|it| !CAPABILITIES.contains(&it))
}

fn capabilities_left(pod: &Pod<'_>) -> bool {
    let drops_all = |it: &Value| {
        let dropped = it.pointer("/securityContext/capabilities").into_iter().flat_map(|it| list(it, "drop"));
        dropped.into_iter().any(|it| it == "ALL")
    };
    let is_fine = |it: &Value| drops_all(it) && added(it).all(|name| name == "NET_BIND_SERVICE");
    !pod.is_windows() && !pod.containers().all(is_fine)
}

fn names_hosts(pod: &Pod<'_>) -> bool {
    const PLACES: [&str; 5] =
        ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];

    let names = |handler: &Value| {
        ["httpGet", "tcpSocket"]
            .iter()
            .any(|it| object(handler, it).and_then(|it| text(it, "host")).is_some())
    };
    let mut handlers = pod.containers().flat_map(|it| PLACES.into_iter().filter_map(|at| it.pointer(at)));
    handlers.any(names)
}

fn runs_as_root(pod: &Pod<'_>) -> bool {
    let says = |it: Option<&Value>| it?.get("runAsNonRoot")?.as_bool();
    let of_pod = says(pod.context());
    let is_fine = |it: &Value| says(object(it, "securityContext")).or(of_pod) == Some(true);
    !pod.has_own_users() && (of_pod == Some(false) || !pod.containers().all(is_fine))
}

fn se_linux(options: &Value) -> bool {
    text(options, "type").is_some_and(|it| !TYPES.contains(&it))
        || text(options, "user").is_some()
        || text(options, "role").is_some()
}

/// Neither the container nor the pod has a profile.
fn lacks_seccomp(pod: &Pod<'_>) -> bool {
    let has = |it: &Value| object(it, "seccompProfile").is_some();
    !pod.context().is_some_and(has)
        && !pod.containers().all(|it| object(it, "securityContext").is_some_and(has))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plain_pod_is_fine_in_baseline_and_lacks_four_things_in_restricted() {
        let plain = json!({"containers": [{"name": "a", "image": "a"}], "volumes": [{"name": "v"}]});
        let said = |level| violations(level, &plain, &[]);
        assert_eq!(said(Level::Privileged), Vec::<&str>::new());
        assert_eq!(said(Level::Baseline), Vec::<&str>::new());
        let four = [
            "allowPrivilegeEscalation != false",
            "unrestricted capabilities",
            "runAsNonRoot != true",
            "seccompProfile",
        ];
        assert_eq!(said(Level::Restricted), four);
    }
}
