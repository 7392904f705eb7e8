//! RF-NET-003: one AI namespace in, NetworkPolicies that open a cloud's metadata address out.

use std::net::IpAddr;
use std::sync::OnceLock;

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::egress::Egress;
use crate::egress::Outlet;
use crate::egress::Way;
use crate::hit::Results;

/// The metadata address hands the keys of the node to whoever asks from it.
///
/// ## What it sees
/// Egress rules of the NetworkPolicies that select AI workloads, added up, IPv4 and IPv6, that hold an address at which a
/// cloud gives credentials to its machines: 169.254.169.254 (AWS, Azure, Google Cloud and others), 169.254.170.2 and
/// fd00:ec2::254 (AWS), fd20:ce::254 (Google Cloud), 168.63.129.16 (Azure), 100.100.100.200 (Alibaba Cloud). Those of
/// one cloud count where `spec.providerID` of a node names it. They answer on port 80; rules for other ports are medium.
/// So are rules on Google Cloud for pods whose accounts are bound to an identity of their own: there the same address is
/// their way to it. 169.254.170.23 (EKS Pod Identity) gives a pod its own role and is left out. A workload that no
/// policy isolates is told by RF-NET-001 and not again here.
///
/// ## Why it matters for AI
/// A model server fetches addresses for its users, and an agent runs what it reads. One request to the metadata address
/// returns the role of a GPU node: it reads the buckets with the weights and the training data, pulls from the registry,
/// and starts more machines at your price.
///
/// ## Bad
/// ```yaml
/// egress:
///   - to: [{ipBlock: {cidr: 0.0.0.0/0}}]
/// ```
///
/// ## Good
/// ```yaml
/// egress:
///   - to: [{ipBlock: {cidr: 10.40.8.0/28}}]
///     ports: [{protocol: TCP, port: 2049}]
/// ```
///
/// ## Fix and its side effects
/// Name the destination; where a wide range must stay, take the addresses out with `except` in every rule that holds
/// them, for policies add up. Give pods an identity of their own first (IRSA, Pod Identity, workload identity), or those
/// that used the node's role fail. On Google Cloud workload identity itself needs the address: there let the metadata
/// server of GKE guard it, and keep the rule to the pods that have such an account.
///
/// ## When it is unknown
/// Only addresses of one cloud are open, and no node says which cloud it is; a policy of another kind is in the set and
/// may open or close more, and what NetworkPolicies open fails with medium confidence; a range is a variable; policies were not all seen; a policy selects by labels that an operator
/// adds to its pods.
///
/// ## References
/// - OWASP AISVS 1.0: 4.3.3
/// - MITRE ATLAS 5.6.0: AML.T0055
/// - MITRE ATT&CK: T1552.005
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Net, 3),
        slug: "metadata-reachable",
        title: "NetworkPolicy opens the cloud's metadata address to AI workloads",
        risk: "one request returns the credentials of the node: buckets with weights and data, the registry, more machines",
        cure: "take the metadata addresses out of every range with `except`, or name the destination",
        severity: Severity::Critical,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[("networking.k8s.io", "NetworkPolicy"), ("", "Node")],
        references: &[
            Reference { framework: "OWASP AISVS", version: "1.0", id: "4.3.3" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0055" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1552.005" },
        ],
    },
    check: Check::Namespace(check),
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cloud {
    Aws,
    Azure,
    Google,
    Alibaba,
    Other,
}

/// Metadata addresses, with the only cloud that has them, where it is one.
fn metadata() -> &'static [(IpAddr, Option<Cloud>)] {
    static TABLE: OnceLock<Vec<(IpAddr, Option<Cloud>)>> = OnceLock::new();
    const DATA: &str = include_str!("../../../../data/metadata-addresses.yaml");

    TABLE.get_or_init(|| {
        let rows = DATA.lines().filter_map(|line| line.strip_prefix("  - ")?.split_once(' '));
        let row = |(cloud, address): (&str, &str)| {
            let cloud = match cloud {
                "aws" => Some(Cloud::Aws),
                "azure" => Some(Cloud::Azure),
                "google" => Some(Cloud::Google),
                "alibaba" => Some(Cloud::Alibaba),
                _ => None,
            };
            Some((address.parse().ok()?, cloud))
        };
        rows.filter_map(row).collect()
    })
}

/// Where the addresses answer.
const PORT: i64 = 80;

fn check(cx: &Cx<'_>, name: Option<&str>, namespace: &Namespace, results: &mut Results<'_>) {
    let Some(egress) = Egress::read(cx, name, namespace, results) else { return };
    for outlet in &egress.outlets {
        let holds = |address: &IpAddr| outlet.ways.iter().any(|way| way.addresses.contains(*address));
        let open: Vec<_> = metadata().iter().copied().filter(|(address, _)| holds(address)).collect();
        if !open.is_empty() {
            judge(cx, &egress, outlet, &open, results);
        }
    }
    egress.conclude(cx, name, namespace, results);
}

fn judge<'i>(
    cx: &Cx<'i>,
    egress: &Egress<'i>,
    outlet: &Outlet<'i>,
    open: &[(IpAddr, Option<Cloud>)],
    results: &mut Results<'_>,
) {
    let clouds = clouds(cx);
    let there = open.iter().filter(|(_, cloud)| cloud.is_none_or(|cloud| clouds.contains(&cloud)));
    let there: Vec<IpAddr> = there.map(|(address, _)| *address).collect();
    let to = |of: &[IpAddr]| -> Vec<&Way<'i>> {
        let ways = outlet.ways.iter();
        ways.filter(|way| of.iter().any(|address| way.addresses.contains(*address))).collect()
    };
    let Some((first, others)) = there.split_first() else {
        let is_used = !outlet.selected.is_empty() || outlet.unsure > 0;
        if let Some((address, _)) = open.first().filter(|_| clouds.is_empty() && is_used) {
            let words = format!("opens {address}, and no node says whether its cloud answers there");
            results.unknown(outlet.object, to(&[*address]).first().map(|way| way.at), words);
        }
        return;
    };
    let message = match others.len() {
        0 => format!("reach the cloud's metadata ({first})"),
        count => format!("reach the cloud's metadata ({first} and {count} more)"),
    };
    let ways = to(&there);
    let answers = ways.iter().any(|way| way.opens_port(PORT));
    let is_theirs = clouds == [Cloud::Google] && have_identities(cx, egress, outlet);
    let severity = if answers && !is_theirs { CONTROL.meta.severity } else { Severity::Medium };
    egress.tell(outlet, &ways, &message, results, severity);
}

/// Clouds that the nodes of the set are machines of; none where no node says.
fn clouds(cx: &Cx<'_>) -> Vec<Cloud> {
    let ids = cx.inventory.objects_of("", "Node").filter_map(|node| node.spec()?.str_at("providerID"));
    let mut clouds = Vec::new();
    for id in ids.filter(|id| !id.is_empty()) {
        let cloud = match id.split_once("://").map(|(scheme, _)| scheme) {
            Some("aws") => Cloud::Aws,
            Some("azure") => Cloud::Azure,
            Some("gce") => Cloud::Google,
            Some(_) => Cloud::Other,
            // `REGION.INSTANCE`.
            None => Cloud::Alibaba,
        };
        if !clouds.contains(&cloud) {
            clouds.push(cloud);
        }
    }
    clouds
}

/// Whether every pod that is let out runs as an account with a Google identity of its own.
fn have_identities(cx: &Cx<'_>, egress: &Egress<'_>, outlet: &Outlet<'_>) -> bool {
    egress.pods_of(outlet).all(|pod| {
        let named = pod.get("serviceAccountName").or_else(|| pod.get("serviceAccount"));
        let name = named.and_then(Value::text).filter(|name| !name.is_empty()).unwrap_or("default");
        let is_bound = |account: &Object| account.annotation("iam.gke.io/gcp-service-account").is_some();
        let accounts = cx.in_namespace("ServiceAccount", pod.namespace());
        accounts.iter().any(|account| &*account.name == name && is_bound(account))
    })
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_range() {
        insta::assert_snapshot!(one_line("metadata-reachable", "bad"), @"CRITICAL RF-NET-003 NetworkPolicy/ml/allow-link-local: lets 1 workload reach the cloud's metadata (169.254.169.254)");
    }

    #[test]
    fn good_fixture_takes_the_address_out() {
        insta::assert_snapshot!(one_line("metadata-reachable", "good"), @"");
    }

    #[test]
    fn an_address_of_one_cloud_is_unknown_where_no_node_says_which_it_is() {
        insta::assert_snapshot!(one_line("metadata-reachable", "unknown"), @"UNKNOWN RF-NET-003 NetworkPolicy/ml/allow-shared: opens 100.100.100.200, and no node says whether its cloud answers there");
    }

    fn with(rule: &str, more: &str) -> String {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: ml, labels: {{app: p}}}}
spec: {{serviceAccountName: server, containers: [{{name: s, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: n, namespace: ml}}
spec: {{podSelector: {{}}, policyTypes: [Ingress, Egress], egress: [{rule}]}}
{more}"
        )
    }

    #[test]
    fn a_policy_of_another_kind_does_not_hide_the_address() {
        let cilium =
            "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: ml}\n";
        assert_eq!(said(&with("{}", cilium)), "critical (169.254.169.254)");
    }

    fn node(provider: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: n1}}\nspec: {{providerID: '{provider}'}}\n"
        )
    }

    fn said(text: &str) -> String {
        let short = |message: &str| message.replace("lets 1 workload reach the cloud's metadata ", "");
        let line = |finding: ringfence_finding::Finding| match finding.outcome {
            Outcome::Fail => format!("{} {}", finding.severity, short(&finding.message)),
            _ => format!("unknown: {}", finding.message),
        };
        judged("RF-NET-003", text).into_iter().map(line).collect::<Vec<_>>().join("; ")
    }

    fn to(range: &str, except: &str) -> String {
        format!("{{to: [{{ipBlock: {{cidr: '{range}', except: [{except}]}}}}]}}")
    }

    #[test]
    fn the_address_counts_in_any_range_that_holds_it_and_the_port_decides_how_bad() {
        let open = "critical (169.254.169.254)";
        let ports =
            |ports: &str| to("169.254.169.254/32", "").replace("}]}", &format!("}}], ports: [{ports}]}}"));
        for (rule, expected) in [
            (to("169.254.169.254/32", ""), open),
            (to("169.254.0.0/16", ""), open),
            (to("0.0.0.0/0", "168.63.129.16/32, 100.64.0.0/10"), open),
            ("{}".to_owned(), open),
            (to("169.254.0.0/16", "169.254.169.254/32, 169.254.170.2/32"), ""),
            (to("10.0.0.0/8", ""), ""),
            (to("169.254.20.10/32", ""), ""),
            (ports("{port: 80}"), open),
            (ports("{port: 1, endPort: 9999}"), open),
            (ports("{port: 443}"), "medium (169.254.169.254)"),
            (ports("{protocol: UDP}"), "medium (169.254.169.254)"),
        ] {
            assert_eq!(said(&with(&rule, "")), expected, "{rule}");
        }
    }

    #[test]
    fn an_exception_of_one_rule_is_open_again_by_another() {
        let except = to("0.0.0.0/0", "169.254.0.0/16, 168.63.129.16/32, 100.64.0.0/10");
        assert_eq!(said(&with(&except, "")), "");
        let again = to("169.254.169.0/24", "");
        assert_eq!(said(&with(&format!("{except}, {again}"), "")), "critical (169.254.169.254)");
    }

    #[test]
    fn addresses_of_one_cloud_count_on_its_nodes() {
        let v6 = to("::/0", "");
        let unknown = "unknown: opens fd00:ec2::254, and no node says whether its cloud answers there";
        assert_eq!(said(&with(&v6, "")), unknown);
        assert_eq!(said(&with(&v6, &node("aws:///eu-central-1a/i-1"))), "critical (fd00:ec2::254)");
        assert_eq!(said(&with(&v6, &node("gce://p/z/n"))), "critical (fd20:ce::254)");
        assert_eq!(said(&with(&v6, &node("azure:///subscriptions/s"))), "");
        let azure = to("168.63.0.0/16", "");
        assert_eq!(said(&with(&azure, &node("azure:///subscriptions/s"))), "critical (168.63.129.16)");
        assert_eq!(said(&with(&azure, &node("aws:///eu-central-1a/i-1"))), "");
        assert_eq!(said(&with(&to("100.64.0.0/10", ""), &node("kind://docker/k/n"))), "");
        let alibaba = with(&to("100.64.0.0/10", ""), &node("cn-hangzhou.i-1"));
        assert_eq!(said(&alibaba), "critical (100.100.100.200)");
        let all = with("{}", &node("aws:///eu-central-1a/i-1"));
        assert_eq!(said(&all), "critical (169.254.169.254 and 2 more)");
    }

    #[test]
    fn on_google_cloud_an_account_with_its_own_identity_needs_the_address() {
        let account = |note: &str| {
            format!(
                "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: server, namespace: ml{note}}}\n"
            )
        };
        let bound = account(", annotations: {iam.gke.io/gcp-service-account: a@p.iam.gserviceaccount.com}");
        let rule = to("169.254.169.254/32", "");
        let google = node("gce://p/z/n");
        assert_eq!(said(&with(&rule, &format!("{google}{bound}"))), "medium (169.254.169.254)");
        assert_eq!(said(&with(&rule, &format!("{google}{}", account("")))), "critical (169.254.169.254)");
        let aws = node("aws:///eu-central-1a/i-1");
        assert_eq!(said(&with(&rule, &format!("{aws}{bound}"))), "critical (169.254.169.254)");
    }
}
