//! What RF-NET-007 and RF-AGT-001 share: the set in, ways into the cluster out, each with the workloads behind it.

mod behind;
mod custom;
mod login;
mod narrow;
mod route;
mod tool_server;

use behind::Behind;
pub(crate) use login::Login;
pub(crate) use login::login;
pub(crate) use login::server_key;
use ringfence_finding::Confidence;
use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::yaml::Value;
pub(crate) use tool_server::is_tool_server;
pub(crate) use tool_server::server_container;

use crate::cx::Cx;
use crate::hit::Hit;

/// One way in, written at one place.
#[derive(Debug)]
pub(crate) struct Entrance<'i> {
    /// Object that opens it.
    pub(crate) object: &'i Object,
    /// Value that opens it; None: it is open because nothing is written.
    pub(crate) at: Option<Value<'i>>,
    /// Name of the field, without indexes.
    pub(crate) field: String,
    pub(crate) means: Means,
    /// What keeps it inside the company's network, or to a few addresses.
    pub(crate) narrowed_by: Option<(&'i Object, Value<'i>)>,
    /// Other objects a login may be attached to: Service, pool, Gateways.
    pub(crate) through: Vec<(&'static str, &'i str)>,
    /// Paths of the URL, where it routes by path.
    pub(crate) paths: Vec<&'i str>,
    pub(crate) behind: Behind<'i>,
}

impl<'i> Entrance<'i> {
    /// A flaw at this entrance, with workloads behind it: their GPUs stand open.
    pub(crate) fn hit(&self, message: String, pods: &[Pod<'i>]) -> Hit<'i> {
        let hit = match self.at {
            Some(at) => Hit::at(self.object, at, message).field(&*self.field),
            None => Hit::absent(self.object, message).missing(&*self.field),
        };
        let mut hit = if self.behind.is_sure { hit } else { hit.confidence(Confidence::Medium) };
        if let Some((object, at)) = self.narrowed_by {
            hit = hit.supported_by(object, at);
        }
        let mut named: Option<&Object> = None;
        for pod in pods {
            let root = pod.root();
            // Pods of one object follow each other.
            if !named.is_some_and(|last| std::ptr::eq(last, root)) && !std::ptr::eq(root, self.object) {
                hit = hit.supported_by_fact(root, "stands behind it");
            }
            named = Some(root);
        }
        hit
    }

    /// Whether every path it routes is one of MCP's transports.
    pub(crate) fn leads_to_tools(&self) -> bool {
        let mut paths = self.paths.iter().map(|path| path.trim_end_matches('/'));
        !self.paths.is_empty() && paths.all(|path| matches!(path, "/mcp" | "/sse"))
    }

    /// Whether what nobody sees behind it may be AI: it stands in a namespace that holds some.
    pub(crate) fn may_lead_to_ai(&self, cx: &Cx<'_>) -> bool {
        let table = cx.inventory.namespaces.named(self.object.namespace.as_deref());
        table.is_some_and(|table| cx.inventory.is_ai_namespace(table))
    }
}

/// How traffic comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    ExternalIps,
    HttpRoute,
    Ingress,
    KnativeRoute,
    KserveRoute,
    LoadBalancer,
    NodePort,
}

impl Means {
    /// With its article, to be opened.
    pub(crate) fn words(self, narrow: bool) -> &'static str {
        match (self, narrow) {
            (Self::ExternalIps, _) => "an external address",
            (Self::HttpRoute, false) => "a public HTTP route",
            (Self::HttpRoute, true) => "an internal HTTP route",
            (Self::Ingress, false) => "a public ingress",
            (Self::Ingress, true) => "an internal ingress",
            (Self::KnativeRoute, _) => "a public Knative route",
            (Self::KserveRoute, _) => "a public KServe route",
            (Self::LoadBalancer, false) => "a public load balancer",
            (Self::LoadBalancer, true) => "an internal load balancer",
            (Self::NodePort, _) => "a node port",
        }
    }
}

/// Kinds that open ways in, and those that lead on from them: for [`crate::control::Meta::absence`].
pub(crate) const ENTRANCES: &[(&str, &str)] = &[
    ("", "Service"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("inference.networking.k8s.io", "InferencePool"),
    ("networking.k8s.io", "Ingress"),
];

/// All ways in, in the order of their kinds, then of the source.
pub(crate) fn entrances<'i>(cx: &Cx<'i>) -> Vec<Entrance<'i>> {
    let of = |group: &'static str, kind: &'static str| cx.inventory.objects_of(group, kind);
    let mut all: Vec<Entrance<'i>> =
        of("", "Service").filter_map(|object| route::service(cx, object)).collect();
    for group in ["networking.k8s.io", "extensions"] {
        all.extend(of(group, "Ingress").flat_map(|object| route::ingress(cx, object)));
    }
    all.extend(of("gateway.networking.k8s.io", "HTTPRoute").flat_map(|object| route::http_route(cx, object)));
    all.extend(of("serving.kserve.io", "InferenceService").filter_map(|object| custom::kserve(cx, object)));
    all.extend(of("serving.knative.dev", "Service").filter_map(|object| custom::knative(cx, object)));
    for kind in ["RayCluster", "RayJob", "RayService", "RayCronJob"] {
        all.extend(of("ray.io", kind).flat_map(|object| custom::ray(cx, object)));
    }
    all
}
