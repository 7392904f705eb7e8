//! Tests: the controller against a real API server: a lab of this binary's own, since domains are cluster-wide and it is
//! restarted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a wrong assumption must end the test"
)]

mod away;
mod bounds;
mod claims;
mod ends;
mod facts;
mod ground;
mod holds;
mod keeps;
mod killed;
mod others;
mod place;
mod rules;
mod simulation;
mod wire;
mod wrong;

use std::sync::OnceLock;

use ringfence_lab::ControlPlane;
use ringfence_lab::Options;
use ringfence_lab::Tier;

/// What a cluster has of its DNS and its API server.
const DNS: &str = r"
{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}},
 spec: {selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP, targetPort: 1053}]}}
---
# In a lab of one machine the API server keeps no endpoints of its own.
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}},
 ports: [{name: https, port: 6443, protocol: TCP}], endpoints: [{addresses: [192.0.2.7]}]}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: node-local-dns, namespace: kube-system},
 spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {nodeSelector: {no: where},
 containers: [{name: a, image: a}]}}}}
";

/// The lab, with the definition of SecurityDomain; none: the skip was recorded for the calling test.
pub(crate) fn lab() -> Option<&'static ControlPlane> {
    static LAB: OnceLock<Option<ControlPlane>> = OnceLock::new();
    let options = Options { tier: Some(Tier::ControlPlane), ..Options::default() };
    let mut is_first = false;
    let lab = LAB.get_or_init(|| {
        is_first = true;
        let lab = ringfence_lab::need_private(&options)?;
        lab.install(&ringfence_domain::yaml(&ringfence_domain::definition()));
        lab.apply(DNS).ok();
        Some(lab)
    });
    // Each test that cannot run is a skip of its own.
    lab.as_ref().or_else(|| (!is_first).then(|| ringfence_lab::need_private(&options)).and(None))
}
