//! Ways in that stay inside the company's network, or open to a few addresses only: annotations of the clouds, classes by
//! name, source ranges.

use ringfence_inventory::Object;
use ringfence_inventory::yaml::Value;

use crate::cx::Cx;

/// What keeps a Service's load balancer inside.
pub(super) fn internal_service(object: &Object) -> Option<Value<'_>> {
    if let Some(at) = internal_annotation(object) {
        return Some(at);
    }
    let ranges = object.spec()?.get("loadBalancerSourceRanges");
    if let Some(ranges) = ranges
        && are_narrow(ranges.items().filter_map(Value::text))
    {
        return Some(ranges);
    }
    // The AWS controller's own default scheme is internal; that of the older one inside Kubernetes is public.
    let scheme = annotation(object, "service.beta.kubernetes.io/aws-load-balancer-scheme");
    let kind = annotation(object, "service.beta.kubernetes.io/aws-load-balancer-type");
    kind.filter(|kind| scheme.is_none() && matches!(kind.text(), Some("external" | "nlb-ip")))
}

pub(super) fn internal_ingress(object: &Object) -> Option<Value<'_>> {
    let scheme = annotation(object, "alb.ingress.kubernetes.io/scheme");
    let class = object.spec().and_then(|spec| spec.get("ingressClassName"));
    let class = class.or_else(|| annotation(object, "kubernetes.io/ingress.class"));
    if let Some(scheme) = scheme.filter(|scheme| scheme.text() == Some("internal")) {
        return Some(scheme);
    }
    let is_internal = class.and_then(Value::text).is_some_and(|name| {
        // A load balancer of the AWS controller is internal unless its scheme says otherwise.
        is_named_internal(name) || (name == "alb" && scheme.is_none())
    });
    class.filter(|_| is_internal).or_else(|| internal_annotation(object))
}

/// Set when every Gateway is in the set and internal.
pub(super) fn internal_gateways<'i>(cx: &Cx<'i>, names: &[&str]) -> Option<(&'i Object, Value<'i>)> {
    let mut last = None;
    for name in names {
        let mut gateways = cx.inventory.objects_of("gateway.networking.k8s.io", "Gateway");
        let gateway = gateways.find(|object| &*object.name == *name)?;
        let spec = gateway.spec()?;
        let class = spec.get("gatewayClassName").filter(|class| class.text().is_some_and(is_named_internal));
        let given = spec.at(&["infrastructure", "annotations"]).and_then(internal_in);
        last = Some((gateway, class.or(given)?));
    }
    last
}

/// The value that keeps it inside.
pub(super) fn internal_annotation(object: &Object) -> Option<Value<'_>> {
    internal_in(object.body().at(&["metadata", "annotations"])?)
}

/// The same among annotations that somebody copies onto the object.
pub(super) fn internal_in(annotations: Value<'_>) -> Option<Value<'_>> {
    let internal = INTERNAL.iter().find_map(|(key, wanted)| {
        let at = annotations.get(key)?;
        let holds = match *wanted {
            "*" => at.means_bool() != Some(false) && at.text().is_some_and(|text| !text.is_empty()),
            wanted => at.text().is_some_and(|text| text.eq_ignore_ascii_case(wanted)),
        };
        holds.then_some(at)
    });
    internal.or_else(|| {
        let mut ranges = RANGES.iter().filter_map(|key| annotations.get(key));
        ranges.find(|at| are_narrow(at.text().unwrap_or("").split([',', ' ']).map(str::trim)))
    })
}

pub(super) fn annotation<'i>(object: &'i Object, key: &str) -> Option<Value<'i>> {
    object.body().at(&["metadata", "annotations"])?.get(key)
}

/// `nginx-internal`, `gce-internal`, `gke-l7-rilb`.
fn is_named_internal(class: &str) -> bool {
    class.split(['-', '.', '_']).any(|part| matches!(part, "internal" | "private" | "rilb"))
}

/// Whether every range is private, or a small part of the internet. No range is no limit.
fn are_narrow<'t>(ranges: impl Iterator<Item = &'t str>) -> bool {
    let mut any = false;
    for range in ranges.filter(|range| !range.is_empty()) {
        any = true;
        let (address, length) = range.split_once('/').unwrap_or((range, ""));
        let is_v6 = address.contains(':');
        let length: u8 = length.parse().unwrap_or(if is_v6 { 128 } else { 32 });
        let is_narrow = match (is_v6, address.split('.').next()) {
            (true, _) => length >= 32 || address.starts_with("fc") || address.starts_with("fd"),
            (false, Some("10")) => length >= 8,
            (false, Some("172" | "192" | "100")) => length >= 10,
            _ => length >= 16,
        };
        if !is_narrow {
            return false;
        }
    }
    any
}

/// Annotations that keep a load balancer off the internet, and the value that does; `*`: any but `false`.
const INTERNAL: &[(&str, &str)] = &[
    ("cloud.google.com/load-balancer-type", "Internal"),
    ("load-balancer.hetzner.cloud/disable-public-network", "true"),
    ("networking.gke.io/load-balancer-type", "Internal"),
    ("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type", "intranet"),
    ("service.beta.kubernetes.io/aws-load-balancer-internal", "*"),
    ("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal"),
    ("service.beta.kubernetes.io/azure-load-balancer-internal", "true"),
    ("service.beta.kubernetes.io/oci-load-balancer-internal", "true"),
    ("service.beta.kubernetes.io/openstack-internal-load-balancer", "true"),
    ("service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type", "private"),
    ("service.kubernetes.io/qcloud-loadbalancer-internal-subnetid", "*"),
];

/// Annotations with the addresses that may come in.
const RANGES: &[&str] = &[
    "service.beta.kubernetes.io/load-balancer-source-ranges",
    "alb.ingress.kubernetes.io/inbound-cidrs",
    "haproxy.org/allow-list",
    "nginx.ingress.kubernetes.io/allowlist-source-range",
    "nginx.ingress.kubernetes.io/whitelist-source-range",
];
