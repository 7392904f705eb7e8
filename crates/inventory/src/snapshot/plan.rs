//! Room `inventory`: what a scan of a cluster asks for, and why -> the smallest role that lets it.
//!
//! Facts of Kubernetes and of projects stand here; kinds that bear pods come from the table of pod paths.

use std::collections::BTreeMap;

use crate::pod;

/// Why a kind is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// Its objects start pods, or say what pods will look like.
    Pods,
    /// It tells who made an object: metadata only.
    Owner,
    /// What pods run on: nodes, devices, runtimes.
    Nodes,
    /// What reaches pods, and what keeps it away.
    Network,
    /// Who may do what.
    Rights,
    /// Where data lives, and how long.
    Storage,
    /// Text in which keys may stand, and settings that controls read.
    Settings,
    /// What changes or refuses objects on their way into the cluster.
    Admission,
    /// Schemas of custom kinds: they tell which bear pods.
    Schemas,
}

impl Why {
    /// Whether pods are missing where such a kind is.
    pub fn bears_pods(self) -> bool {
        matches!(self, Self::Pods | Self::Owner | Self::Schemas)
    }

    /// In words, for a comment in the printed role.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pods => "workloads",
            Self::Owner => "who made a pod (metadata only)",
            Self::Nodes => "nodes, devices and runtimes",
            Self::Network => "what reaches a pod",
            Self::Rights => "who may do what",
            Self::Storage => "where data lives, and how long",
            Self::Settings => {
                "settings, and keys written in them (bodies of ConfigMaps are read; Secrets are not asked for)"
            }
            Self::Admission => "what changes objects on their way in",
            Self::Schemas => "schemas of custom kinds, to find pods in them",
        }
    }
}

/// One kind that a scan asks for, if the cluster serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// API group, empty for core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name of the resource, as rules name it.
    pub plural: String,
    /// What for.
    pub why: Why,
}

/// Kinds that controls and joins read beside the pods.
const BESIDE: &[(Why, &str, &[&str])] = &[
    (Why::Network, "", &["Namespace", "Service"]),
    (Why::Nodes, "", &["Node"]),
    (Why::Settings, "", &["ConfigMap", "LimitRange", "ResourceQuota", "ServiceAccount"]),
    (Why::Storage, "", &["PersistentVolume", "PersistentVolumeClaim"]),
    (Why::Admission, "admissionregistration.k8s.io", &["MutatingWebhookConfiguration"]),
    (Why::Schemas, "apiextensions.k8s.io", &["CustomResourceDefinition"]),
    (Why::Settings, "bitnami.com", &["SealedSecret"]),
    (Why::Settings, "cert-manager.io", &["Certificate"]),
    (Why::Network, "cilium.io", &["CiliumClusterwideNetworkPolicy", "CiliumNetworkPolicy"]),
    (Why::Network, "cloud.google.com", &["BackendConfig"]),
    (Why::Network, "configuration.konghq.com", &["KongClusterPlugin", "KongPlugin"]),
    (Why::Network, "crd.antrea.io", &["ClusterNetworkPolicy", "NetworkPolicy"]),
    (Why::Network, "crd.projectcalico.org", &["GlobalNetworkPolicy", "NetworkPolicy"]),
    (
        Why::Settings,
        "external-secrets.io",
        &[
            "ClusterExternalSecret",
            "ClusterPushSecret",
            "ClusterSecretStore",
            "ExternalSecret",
            "PushSecret",
            "SecretStore",
        ],
    ),
    (Why::Network, "gateway.envoyproxy.io", &["SecurityPolicy"]),
    (Why::Network, "gateway.kgateway.dev", &["TrafficPolicy"]),
    (Why::Network, "gateway.networking.k8s.io", &["Gateway", "HTTPRoute"]),
    (Why::Network, "inference.networking.k8s.io", &["InferencePool"]),
    (Why::Network, "inference.networking.x-k8s.io", &["InferencePool"]),
    (Why::Network, "k8s.nginx.org", &["Policy"]),
    (Why::Network, "kuadrant.io", &["AuthPolicy"]),
    (Why::Network, "networking.gke.io", &["GCPBackendPolicy"]),
    (Why::Network, "networking.k8s.io", &["Ingress", "NetworkPolicy"]),
    (Why::Nodes, "node.k8s.io", &["RuntimeClass"]),
    (Why::Settings, "onepassword.com", &["OnePasswordItem"]),
    (
        Why::Network,
        "policy.networking.k8s.io",
        &["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"],
    ),
    (Why::Network, "projectcalico.org", &["GlobalNetworkPolicy", "NetworkPolicy"]),
    (Why::Rights, "rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    (
        Why::Nodes,
        "resource.k8s.io",
        &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"],
    ),
    (Why::Settings, "ringfence.dev", &["SecurityDomain"]),
    (Why::Settings, "secrets.hashicorp.com", &["VaultDynamicSecret", "VaultStaticSecret"]),
    (Why::Settings, "secrets-store.csi.x-k8s.io", &["SecretProviderClass"]),
    (Why::Network, "security.istio.io", &["AuthorizationPolicy"]),
    (Why::Storage, "snapshot.storage.k8s.io", &["VolumeSnapshot", "VolumeSnapshotClass"]),
    (Why::Storage, "storage.k8s.io", &["StorageClass"]),
    (Why::Network, "traefik.containo.us", &["Middleware"]),
    (Why::Network, "traefik.io", &["Middleware"]),
];

/// Everything that a scan of a cluster asks for, of the kinds that this build knows, by group and kind. The verb is
/// always `list`; single objects are asked for as lists of one.
pub fn plan() -> Vec<Want> {
    let mut wants = BTreeMap::new();
    let beside =
        BESIDE.iter().flat_map(|(why, group, kinds)| kinds.iter().map(move |kind| (*group, *kind, *why)));
    let bearing = pod::holders().map(|(group, kind)| (group, kind, Why::Pods));
    for (group, kind, why) in bearing.chain(beside) {
        let why = if (group, kind) == ("apps", "ReplicaSet") { Why::Owner } else { why };
        wants.entry((group, kind)).or_insert_with(|| Want {
            group: group.to_owned(),
            kind: kind.to_owned(),
            plural: pod::plural(kind),
            why,
        });
    }
    wants.into_values().collect()
}
