//! Room `domain`: RF-RBAC-003, what a workload may use (guide 35). Who may create a Job may otherwise read every Secret of the
//! namespace and act as each of its accounts. Pull secrets are not covered: a container never sees them.

use serde_json::Value;

use super::Rule;
use super::case::Case;
use super::case::list;
use super::case::text;
use super::cel;

/// Kinds of volumes that reach storage without a claim, some with a Secret of their own, from any namespace. What a driver of
/// an inline CSI volume reaches stands in attributes of its own: a bucket, a share, the Secrets of a vault.
const FOREIGN: [&str; 17] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "gcePersistentDisk",
    "glusterfs",
    "iscsi",
    "nfs",
    "portworxVolume",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];
/// What binds the claim of an ephemeral volume to storage that is there, or fills it from there.
const BINDING: [&str; 4] = ["dataSource", "dataSourceRef", "selector", "volumeName"];

pub(super) const INSIDE: &[Rule] = &[
    Rule {
        message: "RF-RBAC-003 env: reads a Secret that this security domain does not list. Fix: remove the reference, or have \
                  the Secret added to access.mountable.secrets of the SecurityDomain.",
        cel: |_| {
            format!(
                "variables.free || variables.all.all(c, (!has(c.env) || c.env.all(e, !has(e.valueFrom) || \
                 !has(e.valueFrom.secretKeyRef) || {})) && (!has(c.envFrom) || c.envFrom.all(e, !has(e.secretRef) || \
                 {})))",
                listed("secret", "e.valueFrom.secretKeyRef.name"),
                listed("secret", "e.secretRef.name"),
            )
        },
        holds: |case| {
            let one = |it: &Value| names(it, "/valueFrom/secretKeyRef", "name");
            let whole = |it: &Value| names(it, "/secretRef", "name");
            !case.all_containers().any(|container| {
                list(container, "env").filter_map(one).any(|it| case.is_unlisted("secret", &it))
                    || list(container, "envFrom").filter_map(whole).any(|it| case.is_unlisted("secret", &it))
            })
        },
    },
    Rule {
        message: "RF-RBAC-003 spec.volumes: mounts a Secret that this security domain does not list. Fix: remove the volume, \
                  or have the Secret added to access.mountable.secrets of the SecurityDomain.",
        cel: |_| {
            format!(
                "variables.free || variables.vols.all(v, (!has(v.secret) || {}) && (!has(v.projected) || \
                 !has(v.projected.sources) || v.projected.sources.all(s, !has(s.secret) || {})))",
                listed("secret", "v.secret.secretName"),
                listed("secret", "s.secret.name"),
            )
        },
        holds: |case| !case.volumes().flat_map(secrets).any(|it| case.is_unlisted("secret", &it)),
    },
    Rule {
        message: "RF-RBAC-003 spec.volumes: this kind of volume reaches storage or Secrets around what this security domain \
                  lists. Fix: use a claim, and have it added to access.mountable.claims of the SecurityDomain; an ephemeral \
                  volume must not name what it is bound to or filled from.",
        cel: |_| {
            let each: Vec<_> = FOREIGN.iter().map(|it| format!("!has(v.{it})")).collect();
            let claim = "v.ephemeral.volumeClaimTemplate";
            let fresh: Vec<_> = BINDING.iter().map(|it| format!("!has({claim}.spec.{it})")).collect();
            format!(
                "variables.free || variables.vols.all(v, {} && (!has(v.ephemeral) || !has({claim}) || ({})))",
                each.join(" && "),
                fresh.join(" && ")
            )
        },
        holds: |case| {
            let is_there = |it: &Value, key: &str| it.get(key).is_some_and(|it| !it.is_null() && it != "");
            let foreign = |it: &Value| {
                let claim = it.pointer("/ephemeral/volumeClaimTemplate/spec");
                FOREIGN.iter().any(|kind| it.get(kind).is_some_and(Value::is_object))
                    || claim.is_some_and(|claim| BINDING.iter().any(|key| is_there(claim, key)))
            };
            is_free(case) || !case.volumes().any(foreign)
        },
    },
    Rule {
        message: "RF-RBAC-003 spec.volumes: mounts a claim that this security domain does not list. Fix: remove the volume, or \
                  have the claim added to access.mountable.claims of the SecurityDomain.",
        cel: |_| {
            format!(
                "variables.free || variables.vols.all(v, !has(v.persistentVolumeClaim) || {})",
                listed("pvc", "v.persistentVolumeClaim.claimName")
            )
        },
        holds: |case| {
            let claims = case.volumes().filter_map(|it| names(it, "/persistentVolumeClaim", "claimName"));
            !claims.into_iter().any(|it| case.is_unlisted("pvc", &it))
        },
    },
    Rule {
        message: "RF-RBAC-003 spec.serviceAccountName: runs as an account that this security domain does not list. Fix: use \
                  another account, or have it added to access.mountable.serviceAccounts of the SecurityDomain.",
        cel: |_| format!("variables.free || {}", listed("sa", "variables.sa")),
        holds: |case| !case.is_unlisted("sa", case.account()),
    },
];

/// CEL: the namespace lists a name. None of the names can hold a comma and exist.
fn listed(kind: &str, name: &str) -> String {
    format!("variables.mnt.contains({} + {name} + ',')", cel::text(&format!(",{kind}/")))
}

fn is_free(case: &Case<'_>) -> bool {
    case.note(crate::names::MOUNTABLE_ANNOTATION).contains(",*,")
}

/// Secrets that a volume mounts.
fn secrets(volume: &Value) -> Vec<String> {
    let projected = volume.get("projected").into_iter().flat_map(|it| list(it, "sources"));
    let projected = projected.filter_map(|it| names(it, "/secret", "name"));
    let own = names(volume, "/secret", "secretName");
    own.into_iter().chain(projected).collect()
}

/// The name in a reference; an empty one if the reference lacks it.
fn names(value: &Value, reference: &str, key: &str) -> Option<String> {
    let reference = value.pointer(reference).filter(|it| it.is_object())?;
    Some(text(reference, key).unwrap_or_default().to_owned())
}
