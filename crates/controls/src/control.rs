//! What a control is: metadata and one function at the narrowest scope that can decide.

use ringfence_finding::ControlId;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::Pod;

use crate::cx::Cx;
use crate::hit::Results;

/// A control.
#[derive(Debug)]
pub struct Control {
    /// What it is to its readers.
    pub meta: Meta,
    /// What it does.
    pub check: Check,
}

/// What a control is to its readers.
#[derive(Debug)]
pub struct Meta {
    /// Stable id.
    pub id: ControlId,
    /// Kebab-case statement of what is wrong; also the file name.
    pub slug: &'static str,
    /// One line for lists.
    pub title: &'static str,
    /// What an attacker gains in an AI cluster, one sentence.
    pub risk: &'static str,
    /// How to close it, one sentence; a hit may say it with names.
    pub cure: &'static str,
    /// Severity unless the evidence moves it.
    pub severity: Severity,
    /// Class of the cure.
    pub fix: FixClass,
    /// Facts without which it cannot decide at all.
    pub needs: &'static [Need],
    /// Kinds whose absence it takes as a fact, beside those it judges: where a cluster did not show all of them, what it
    /// has not found is unknown.
    pub absence: &'static [(&'static str, &'static str)],
    /// Places in published frameworks.
    pub references: &'static [Reference],
}

/// A fact that a source may not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// RoleBindings or ClusterRoleBindings.
    Bindings,
    /// Nodes.
    Nodes,
    /// Roles or ClusterRoles.
    Roles,
    /// StorageClasses.
    StorageClasses,
}

/// For [`Meta::absence`]: every kind there is.
pub(crate) const EVERYTHING: &[(&str, &str)] = &[("*", "*")];

impl Need {
    /// All facts, for `--require`.
    pub const ALL: [Self; 4] = [Self::Bindings, Self::Nodes, Self::Roles, Self::StorageClasses];

    /// The word for `--require`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bindings => "bindings",
            Self::Nodes => "nodes",
            Self::Roles => "roles",
            Self::StorageClasses => "storage-classes",
        }
    }

    /// The missing fact in words.
    pub fn missing(self) -> &'static str {
        match self {
            Self::Bindings => "no RoleBinding or ClusterRoleBinding objects given",
            Self::Nodes => "no Node objects given",
            Self::Roles => "no Role or ClusterRole objects given",
            Self::StorageClasses => "no StorageClass objects given",
        }
    }

    pub(crate) fn kinds(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Bindings => &[
                ("rbac.authorization.k8s.io", "RoleBinding"),
                ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
            ],
            Self::Nodes => &[("", "Node")],
            Self::Roles => {
                &[("rbac.authorization.k8s.io", "Role"), ("rbac.authorization.k8s.io", "ClusterRole")]
            }
            Self::StorageClasses => &[("storage.k8s.io", "StorageClass")],
        }
    }
}

/// Which pods a pod control judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// AI workloads of confidence medium or more, accelerator infrastructure left out: it is legitimately privileged.
    AiPods,
    /// Every pod.
    AllPods,
}

/// One function at the narrowest scope.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// Once per pod template.
    Pod(Target, fn(&Cx<'_>, Pod<'_>, &mut Results<'_>)),
    /// Once per object of these groups and kinds.
    Object(&'static [(&'static str, &'static str)], fn(&Cx<'_>, ObjectId, &Object, &mut Results<'_>)),
    /// Once per namespace that holds an AI workload.
    Namespace(fn(&Cx<'_>, Option<&str>, &Namespace, &mut Results<'_>)),
    /// Once per set, over its objects.
    Cluster(fn(&Cx<'_>, &mut Results<'_>)),
    /// Once per set, over what reaches what.
    Graph(fn(&Cx<'_>, &mut Results<'_>)),
}
