//! Room `domain`: the native admission policies (guide 6 to 10, 14, 34, 38, 45). One set for all domains: what differs
//! between domains is read from labels and annotations of the namespace, which only the controller may write, so that the
//! text changes with none of them.
//!
//! `domains, facts -> Rules -> policies and their bindings`

mod labels;
mod mutation;
mod network;
mod pods;
mod render;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::desired::Asked;
use crate::desired::Outcome;
use crate::facts::ClusterFacts;
use crate::facts::Dns;
use crate::object::DesiredObject;
use crate::object::Rank;
use crate::object::hash;
use crate::spec::Effect;
use crate::spec::Mode;
use crate::tier::Problem;

/// What the policies are compiled from: all that does not stand on the namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Keys of the taints of all domains.
    pub(crate) taint_keys: BTreeSet<String>,
    /// Their effects.
    pub(crate) taint_effects: BTreeSet<&'static str>,
    /// Namespaces outside all domains whose pods may run on the nodes.
    pub(crate) allowed: BTreeSet<String>,
    /// User name of the controller.
    pub(crate) operator: String,
    /// The cluster's DNS.
    pub(crate) dns: Dns,
    /// Strongest mode of all domains; none: there is no domain.
    strongest: Option<Mode>,
    /// Strongest mode of the domains whose nodes are closed to everybody else.
    closed: Option<Mode>,
    /// Whether the server runs policies that refuse.
    validates: bool,
    /// Whether the server runs policies that fill in.
    mutates: bool,
}

impl Rules {
    /// The rules for these domains in this cluster.
    pub fn of(asked: &[Asked<'_>], facts: &ClusterFacts) -> Self {
        let nodes = || asked.iter().map(|it| (it.mode, &it.domain.spec.nodes));
        let closed = || nodes().filter(|(_, it)| it.selector.is_some() && it.dedicated);
        let always = ["kube-system", &facts.operator.namespace].map(str::to_owned);
        let declared = closed().flat_map(|(_, it)| it.system_allow_list.namespaces.iter().cloned());
        let serves = |kind| facts.serves("admissionregistration.k8s.io", "v1", kind) != Some(false);
        Self {
            taint_keys: nodes().map(|(_, it)| it.taint.key.clone()).collect(),
            taint_effects: nodes()
                .map(|(_, it)| it.taint.effect.name())
                .chain([Effect::NoSchedule.name()])
                .collect(),
            allowed: always.into_iter().chain(declared).collect(),
            operator: facts.operator.username.clone(),
            dns: facts.dns.clone().unwrap_or_else(Dns::usual),
            strongest: asked.iter().map(|it| it.mode).max(),
            closed: closed().map(|(mode, _)| mode).max(),
            validates: serves("ValidatingAdmissionPolicy"),
            mutates: serves("MutatingAdmissionPolicy"),
        }
    }

    /// SHA-256 over the text of every policy, hex: the version of the rules.
    pub fn version(&self) -> String {
        let objects = self.objects().into_iter().filter(|it| it.id.rank == Rank::Policy);
        hash(&objects.map(|it| it.body["spec"].clone()).collect())
    }

    /// Whether pods get toleration and node selector filled in where a namespace is in Enforce.
    pub(crate) fn fills_in(&self) -> bool {
        self.mutates
    }

    /// Policies and bindings; none where there is no domain.
    pub(crate) fn objects(&self) -> Vec<DesiredObject> {
        let Some(strongest) = self.strongest else { return Vec::new() };
        let mut objects = Vec::new();
        if self.validates {
            objects.extend(self.closed.into_iter().flat_map(|mode| pods::outside(self, mode)));
            objects.extend(pods::inside(self));
            objects.extend(labels::guard(self, strongest));
            objects.extend(network::guard(self));
        }
        if self.mutates {
            objects.extend(mutation::pods(self));
            objects.extend(mutation::jobs());
        }
        objects
    }

    /// Says in each domain's outcome what this server cannot do for it.
    pub(crate) fn report(&self, outcomes: &mut BTreeMap<String, Outcome>) {
        for outcome in outcomes.values_mut() {
            let Some(resolved) = &outcome.resolved else { continue };
            let nodes = &resolved.spec.nodes;
            let injects = nodes.selector.is_some() && (nodes.inject_toleration || nodes.inject_node_selector);
            if !self.mutates && (injects || resolved.spec.pod_security.shm.auto_mount) {
                outcome.unknown.push(Problem::new(
                    "spec.nodes.injectToleration",
                    "the API server does not serve MutatingAdmissionPolicy v1 (Kubernetes 1.36), so nothing is filled into \
                     pods and Jobs",
                    "write toleration, nodeSelector, /dev/shm and times into the workloads, or update Kubernetes",
                ));
            }
            if !self.validates {
                outcome.unknown.push(Problem::new(
                    "spec.enforcement.mode",
                    "the API server does not serve ValidatingAdmissionPolicy v1, so nothing is refused",
                    "enable admissionregistration.k8s.io/v1 on the API server",
                ));
            }
        }
    }
}
