//! One Kubernetes object: which it is, where it stands, what it says.

use std::ops::Range;
use std::sync::Arc;

use ringfence_finding::Location;
use ringfence_finding::ResourceRef;

use crate::document::Document;
use crate::yaml::NodeId;
use crate::yaml::Value;
use crate::yaml::field_path;

/// Index of an object in its [`crate::Inventory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub usize);

/// An object, alone in a document, an item of a list, or embedded in another object.
#[derive(Clone, Debug)]
pub struct Object {
    pub(crate) document: Arc<Document>,
    pub(crate) node: NodeId,
    /// Its place in the inventory.
    pub id: ObjectId,
    /// Object it is embedded in (a kro ResourceGraphDefinition, an AppWrapper); list items have none.
    pub parent: Option<ObjectId>,
    /// `apiVersion` as written, or inherited from the list.
    pub api_version: Box<str>,
    /// `kind` as written, or inherited from the list.
    pub kind: Box<str>,
    /// None for cluster-scoped kinds, and for objects that name none while the user gave none.
    pub namespace: Option<Box<str>>,
    /// `metadata.name`, else `metadata.generateName`, else empty.
    pub name: Box<str>,
}

impl Object {
    /// API group, empty for core.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Version without the group.
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&*self.api_version, |(_, version)| version)
    }

    /// Whether it is of this group and kind. Kind alone never decides: `batch.volcano.sh Job` is not `batch Job`.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        &*self.kind == kind && self.group() == group
    }

    /// Group, kind, namespace and name: what an API server tells objects apart by.
    pub fn identity(&self) -> (&str, &str, Option<&str>, &str) {
        (self.group(), &self.kind, self.namespace.as_deref(), &self.name)
    }

    /// Whether it was read from a live cluster, or from a saved one, and not from a manifest.
    pub fn is_of_cluster(&self) -> bool {
        self.document.is_live()
    }

    /// The whole object.
    pub fn body(&self) -> Value<'_> {
        self.document.tree.value(self.node)
    }

    /// Its `spec`, if there is one.
    pub fn spec(&self) -> Option<Value<'_>> {
        self.body().get("spec")
    }

    /// Its `metadata.labels`, if there are any.
    pub fn labels(&self) -> Option<Value<'_>> {
        self.body().at(&["metadata", "labels"])
    }

    /// A label by key.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels()?.get(key)?.text()
    }

    /// An annotation by key.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.body().at(&["metadata", "annotations"])?.get(key)?.text()
    }

    /// Whether it was dumped from a live cluster: then fields that a controller or the scheduler set mean nothing.
    pub fn is_live(&self) -> bool {
        self.body().at(&["metadata", "uid"]).is_some()
    }

    /// A node of this object's document as a value.
    pub fn value(&self, node: NodeId) -> Value<'_> {
        self.document.tree.value(node)
    }

    /// Path of a value below the object.
    pub fn field(&self, value: Value<'_>) -> String {
        field_path(self.body(), value)
    }

    /// Place of a value.
    pub fn location(&self, value: Value<'_>) -> Location {
        self.document.location(value.range())
    }

    /// Place of bytes of the document's text.
    pub fn location_of(&self, range: Range<usize>) -> Location {
        self.document.location(range)
    }

    /// The document it stands in.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Names it, without its owner (see [`crate::Inventory::reference`]).
    pub(crate) fn reference(&self) -> ResourceRef {
        ResourceRef {
            api_version: self.api_version.to_string(),
            kind: self.kind.to_string(),
            namespace: self.namespace.as_deref().map(str::to_owned),
            name: self.name.to_string(),
            owner: None,
        }
    }
}

/// Kinds without a namespace, of Kubernetes and of the projects this scanner knows. A custom kind that is not here
/// counts as namespaced.
const CLUSTER_SCOPED: &[(&str, &[&str])] = &[
    ("", &["Namespace", "Node", "PersistentVolume", "ComponentStatus"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("external-secrets.io", &["ClusterExternalSecret", "ClusterPushSecret", "ClusterSecretStore"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("kueue.x-k8s.io", &["AdmissionCheck", "ClusterQueue", "Cohort", "ResourceFlavor", "Topology"]),
    ("kro.run", &["ResourceGraphDefinition"]),
    ("kubernetes.crossplane.io", &["Object"]),
    ("networking.k8s.io", &["IngressClass", "IPAddress", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("nvidia.com", &["ClusterPolicy", "NVIDIADriver", "GPUCluster"]),
    (
        "policy.networking.k8s.io",
        &["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"],
    ),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "DeviceTaintRule", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("serving.kserve.io", &["ClusterServingRuntime", "ClusterStorageContainer"]),
    ("snapshot.storage.k8s.io", &["VolumeSnapshotClass", "VolumeSnapshotContent"]),
    (
        "storage.k8s.io",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttributesClass", "VolumeAttachment"],
    ),
    ("trainer.kubeflow.org", &["ClusterTrainingRuntime"]),
    ("argoproj.io", &["ClusterAnalysisTemplate", "ClusterWorkflowTemplate"]),
    ("gateway.networking.k8s.io", &["GatewayClass"]),
    ("karpenter.sh", &["NodePool", "NodeClaim"]),
];

/// Whether objects of this kind have no namespace.
pub fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    CLUSTER_SCOPED.iter().any(|(known, kinds)| *known == group && kinds.contains(&kind))
}
