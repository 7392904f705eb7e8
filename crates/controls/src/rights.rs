//! What the controls of rights share: a binding in, its ML subjects and the rules behind its role out.

use std::collections::BTreeSet;

use ringfence_inventory::Inventory;
use ringfence_inventory::Object;
use ringfence_inventory::rbac::has_resource_names;
use ringfence_inventory::rbac::is_wildcard;
use ringfence_inventory::selector::Labels;
use ringfence_inventory::selector::Match;
use ringfence_inventory::selector::label_selector;
use ringfence_inventory::yaml::Value;

use crate::cx::Cx;

pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

/// A RoleBinding or ClusterRoleBinding as its reader needs it.
pub(crate) struct Binding<'i> {
    pub(crate) object: &'i Object,
    /// Name of the role: the place to point at.
    pub(crate) role_name: Value<'i>,
    pub(crate) role: Role<'i>,
    /// Those that are no control plane.
    pub(crate) subjects: Vec<Subject<'i>>,
}

/// The role of a binding.
#[derive(Clone, Copy)]
pub(crate) enum Role<'i> {
    Admin,
    ClusterAdmin,
    Edit,
    Given(&'i Object),
    /// `view`, and the API server's own `system:` roles, which no person gets by accident.
    Harmless,
    Missing,
}

/// Somebody with rights.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'i> {
    kind: &'i str,
    name: &'i str,
    namespace: Option<&'i str>,
    /// Its name.
    pub(crate) at: Value<'i>,
}

impl<'i> Binding<'i> {
    /// None when its `roleRef` names nothing.
    pub(crate) fn read(cx: &Cx<'i>, object: &'i Object) -> Option<Self> {
        let reference = object.body().get("roleRef")?;
        let role_name = reference.get("name")?;
        let name = role_name.text()?;
        let is_cluster_role = reference.str_at("kind") == Some("ClusterRole");
        let role = match (is_cluster_role, name) {
            (true, "cluster-admin") => Role::ClusterAdmin,
            (true, "admin") => Role::Admin,
            (true, "edit") => Role::Edit,
            (true, "view") => Role::Harmless,
            (true, name) if name.starts_with("system:") => Role::Harmless,
            _ => {
                let kind = if is_cluster_role { "ClusterRole" } else { "Role" };
                let namespace = object.namespace.as_deref().filter(|_| !is_cluster_role);
                let mut roles = cx.inventory.objects_of(GROUP, kind);
                let role = roles.find(|role| &*role.name == name && role.namespace.as_deref() == namespace);
                role.map_or(Role::Missing, Role::Given)
            }
        };
        let subjects = object.body().get("subjects").into_iter().flat_map(Value::items);
        let subjects = subjects.filter_map(|subject| Subject::read(object, subject)).filter(Subject::is_ml);
        Some(Self { object, role_name, role, subjects: subjects.collect() })
    }

    /// Whether it holds in every namespace.
    pub(crate) fn is_cluster_wide(&self) -> bool {
        &*self.object.kind == "ClusterRoleBinding"
    }

    /// The subjects in a few words.
    pub(crate) fn who(&self) -> String {
        match self.subjects.as_slice() {
            [one] => one.words(),
            many => format!("{} subjects", many.len()),
        }
    }

    /// The missing role in words.
    pub(crate) fn missing(&self) -> String {
        let kind = self.object.body().at(&["roleRef", "kind"]).and_then(Value::text).unwrap_or("Role");
        format!("{kind} {} is not in the set", self.role_name.text().unwrap_or(""))
    }
}

impl<'i> Subject<'i> {
    fn read(binding: &'i Object, subject: Value<'i>) -> Option<Self> {
        let at = subject.get("name")?;
        let namespace = subject.get("namespace").and_then(Value::text).or(binding.namespace.as_deref());
        let (kind, name) = (subject.str_at("kind")?, at.text()?);
        // A service account as the API server calls its user.
        if let Some((namespace, name)) =
            name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
        {
            return Some(Self { kind: "ServiceAccount", name, namespace: Some(namespace), at });
        }
        Some(Self { kind, name, namespace, at })
    }

    /// Whether it may be somebody of an ML team: no component of Kubernetes, no known controller.
    fn is_ml(&self) -> bool {
        match self.kind {
            "ServiceAccount" => !self.namespace.is_some_and(is_control_plane),
            "Group" => match self.name {
                // Everybody, and with them the ML teams.
                "system:authenticated" | "system:unauthenticated" | "system:serviceaccounts" => true,
                name => match name.strip_prefix("system:serviceaccounts:") {
                    Some(namespace) => !is_control_plane(namespace),
                    None => !name.starts_with("system:"),
                },
            },
            _ => self.name == "system:anonymous" || !self.name.starts_with("system:"),
        }
    }

    fn words(&self) -> String {
        match (self.kind, self.namespace) {
            ("ServiceAccount", Some(namespace)) => format!("account {namespace}/{}", self.name),
            ("ServiceAccount", None) => format!("account {}", self.name),
            ("Group", _) => format!("group {}", self.name),
            _ => format!("user {}", self.name),
        }
    }
}

/// Namespaces where the manifests of well-known controllers put their service accounts. They create pods for others by
/// design and no team works there; who may touch those namespaces is another control's question.
const CONTROL_PLANE: &[&str] = &[
    "argo",
    "argo-rollouts",
    "argocd",
    "cattle-system",
    "cert-manager",
    "external-secrets",
    "flux-system",
    "gatekeeper-system",
    "gitops",
    "gpu-operator",
    "istio-system",
    "jobset-system",
    "kaito-workspace",
    "karpenter",
    "keda",
    "knative-serving",
    "kserve",
    "kuberay-system",
    "kubeflow",
    "kubeflow-system",
    "kueue-system",
    "kyverno",
    "lws-system",
    "node-feature-discovery",
    "nvidia-gpu-operator",
    "nvidia-network-operator",
    "prometheus-operator",
    "ringfence-system",
    "seldon-system",
    "spark-operator",
    "tekton-pipelines",
    "velero",
    "volcano-system",
];

pub(crate) fn is_control_plane(namespace: &str) -> bool {
    CONTROL_PLANE.contains(&namespace)
        || namespace.starts_with("kube-")
        || namespace.starts_with("openshift-")
}

/// Namespace and name of every service account that a binding names, whatever it gives.
pub(crate) fn bound_accounts(inventory: &Inventory) -> BTreeSet<(Box<str>, Box<str>)> {
    let bindings = ["ClusterRoleBinding", "RoleBinding"].into_iter();
    let bindings = bindings.flat_map(|kind| inventory.objects_of(GROUP, kind));
    let subjects = bindings.flat_map(|binding| {
        let subjects = binding.body().get("subjects").into_iter().flat_map(Value::items);
        subjects.filter_map(|subject| Subject::read(binding, subject))
    });
    let accounts = subjects.filter(|subject| subject.kind == "ServiceAccount");
    accounts.map(|account| (account.namespace.unwrap_or("").into(), account.name.into())).collect()
}

/// Rules of a role with the object each is written in; None: they are gathered from roles that are not in the set.
pub(crate) fn rules<'i>(cx: &Cx<'i>, role: &'i Object) -> Option<Vec<(&'i Object, Value<'i>)>> {
    let own = |role: &'i Object| {
        let rules = role.body().get("rules").into_iter().flat_map(Value::items);
        rules.map(move |rule| (role, rule))
    };
    let mut all: Vec<_> = own(role).collect();
    let Some(gathered) = role.body().at(&["aggregationRule", "clusterRoleSelectors"]) else {
        return Some(all);
    };
    let mut any = !all.is_empty();
    for other in cx.inventory.objects_of(GROUP, "ClusterRole") {
        let labels = Labels::written(other.labels());
        if !std::ptr::eq(role, other)
            && gathered.items().any(|selector| label_selector(selector, labels) == Match::Yes)
        {
            any = true;
            all.extend(own(other));
        }
    }
    any.then_some(all)
}

/// The rule that allows everything, if there is one.
pub(crate) fn everything<'i>(rules: &[(&'i Object, Value<'i>)]) -> Option<(&'i Object, Value<'i>)> {
    rules.iter().find(|(_, rule)| is_wildcard(*rule) && !has_resource_names(*rule)).copied()
}
