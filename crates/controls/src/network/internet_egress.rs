//! RF-NET-002: one AI namespace in, NetworkPolicies that open the way to the internet out.

use std::collections::BTreeSet;

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::cidr::Addresses;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::egress::Egress;
use crate::egress::Outlet;
use crate::egress::Way;
use crate::egress::declared;
use crate::hit::Results;

/// One rule to `0.0.0.0/0` undoes the default deny: NetworkPolicies only add up.
///
/// ## What it sees
/// Egress rules of the NetworkPolicies that select AI workloads, IPv4 and IPv6, added up: what remains of their ranges
/// without their exceptions and without addresses that the internet does not route (private, shared, link-local and
/// reserved ranges), those of the cluster's own pods, and those that the namespace's SecurityDomain names in
/// `network.internalCIDRs` or as destinations in `network.egress`. More addresses than a /16 of IPv4 or a /32 of IPv6
/// fail, in one rule or in several together. Fewer pass: they are somebody's published ranges. In a SecurityDomain that
/// says `network.internet: Never`, and in tier `Sealed`, any public address fails. A rule without destination, and a
/// destination without a word, are everywhere; for port 53 alone, as DNS is often let out, it is medium. Names of pods and
/// namespaces lead nowhere outside. A workload that no policy isolates is told by RF-NET-001 and not again here.
///
/// ## Why it matters for AI
/// Weights, training data and keys leave through the one rule that somebody added for a model download. Code that a
/// poisoned model or a prompt brought in loads its second part the same way, and calls its owner back. Hubs and package
/// indexes have no stable addresses, so such rules name the whole internet.
///
/// ## Bad
/// ```yaml
/// kind: NetworkPolicy
/// spec:
///   policyTypes: [Egress]
///   egress:
///     - to: [{ipBlock: {cidr: 0.0.0.0/0}}]
///       ports: [{protocol: TCP, port: 443}]
/// ```
///
/// ## Good
/// ```yaml
/// kind: NetworkPolicy
/// spec:
///   policyTypes: [Egress]
///   egress:
///     - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: model-registry}}}]
///       ports: [{protocol: TCP, port: 443}]
/// ```
///
/// ## Fix and its side effects
/// Name the destination: a registry or proxy inside the cluster, by its namespace, or the published ranges of the one
/// provider that is needed. A download at start fails from then on: put the model into an image or a volume, or set
/// `HF_ENDPOINT` to a gateway. Remember IPv6: a rule for `0.0.0.0/0` says nothing about it.
///
/// ## When it is unknown
/// A policy of another kind (AdminNetworkPolicy, Cilium, Calico) is in the set and may open or close more; what
/// NetworkPolicies open all the same fails with medium confidence. A range is a variable; policies were not all seen; a
/// policy selects by labels that an operator adds to its pods.
///
/// ## References
/// - guide: G14, G17
/// - OWASP AISVS 1.0: 4.5.2
/// - MITRE ATLAS 5.6.0: AML.T0025
/// - NIST 800-53r5: SC-7
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Net, 2),
        slug: "internet-egress",
        title: "NetworkPolicy opens the internet to AI workloads",
        risk: "weights, data and keys leave through this rule, and what broke in loads its tools and calls back",
        cure: "name the destination (a namespace, or the published ranges of one provider) in place of the internet",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[("networking.k8s.io", "NetworkPolicy"), ("ringfence.dev", "SecurityDomain")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G14" },
            Reference { framework: "guide", version: "1", id: "G17" },
            Reference { framework: "OWASP AISVS", version: "1.0", id: "4.5.2" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0025" },
            Reference { framework: "NIST 800-53", version: "r5", id: "SC-7" },
        ],
    },
    check: Check::Namespace(check),
};

/// Addresses of a /16 of IPv4 and of a /32 of IPv6: somebody's published ranges, not the internet.
const FEW: (u128, u128) = (1 << 16, 1 << 96);

/// Resolvers of the internet carry data out in the names that they are asked for.
const DNS: &str = "out on port 53 to everywhere; name the cluster's DNS";

fn check(cx: &Cx<'_>, name: Option<&str>, namespace: &Namespace, results: &mut Results<'_>) {
    let Some(egress) = Egress::read(cx, name, namespace, results) else { return };
    let domain = cx.domain_of(name);
    let is_closed = domain.is_some_and(is_closed);
    let most = if is_closed { (0, 0) } else { FEW };
    let mut inside = cx.inside().clone();
    if let Some(domain) = domain.filter(|_| !is_closed) {
        inside = inside.and(&declared(domain));
    }
    let public = egress.outlets.iter().filter_map(|outlet| Public::of(outlet, &inside));
    let (wide, narrow): (Vec<_>, Vec<_>) = public.partition(|one| is_wide(&one.addresses, most));
    for one in &wide {
        egress.tell(one.outlet, &one.ways, &message(&one.ways), results, CONTROL.meta.severity);
    }
    together(&egress, &narrow, most, results);
    for outlet in &egress.outlets {
        let ways: Vec<&Way<'_>> = outlet.ways.iter().filter(|way| way.is_dns).collect();
        let policy = cx.inventory.reference(outlet.object);
        let is_told = results.findings.iter().any(|finding| finding.resource.as_ref() == Some(&policy));
        if !ways.is_empty() && !is_told {
            egress.tell(outlet, &ways, DNS, results, Severity::Medium);
        }
    }
    egress.conclude(cx, name, namespace, results);
}

/// What a policy opens of the internet.
struct Public<'e, 'i> {
    outlet: &'e Outlet<'i>,
    ways: Vec<&'e Way<'i>>,
    addresses: Addresses,
}

impl<'e, 'i> Public<'e, 'i> {
    fn of(outlet: &'e Outlet<'i>, inside: &Addresses) -> Option<Self> {
        let mut public = Self { outlet, ways: Vec::new(), addresses: Addresses::default() };
        for way in outlet.ways.iter().filter(|way| !way.is_dns) {
            let outside = way.addresses.without(inside);
            if !outside.is_empty() {
                public.ways.push(way);
                public.addresses = public.addresses.and(&outside);
            }
        }
        (!public.ways.is_empty()).then_some(public)
    }
}

/// Policies that are narrow each and wide together, for the workloads that all of them select.
fn together<'i>(
    egress: &Egress<'i>,
    narrow: &[Public<'_, 'i>],
    most: (u128, u128),
    results: &mut Results<'_>,
) {
    let mut groups: BTreeSet<Vec<usize>> = BTreeSet::new();
    for workload in 0..egress.workloads.len() {
        let selecting =
            narrow.iter().enumerate().filter(|(_, one)| one.outlet.selected.binary_search(&workload).is_ok());
        groups.insert(selecting.map(|(index, _)| index).collect());
    }
    for group in groups {
        let members: Vec<&Public<'_, 'i>> = group.iter().filter_map(|index| narrow.get(*index)).collect();
        let all = members.iter().fold(Addresses::default(), |all, one| all.and(&one.addresses));
        let Some(widest) = members.iter().max_by_key(|one| one.addresses.sizes()) else { continue };
        let others = members.len().saturating_sub(1);
        let words = format!(
            "{} and by {others} more polic{}",
            message(&widest.ways),
            if others == 1 { "y" } else { "ies" }
        );
        let Some(hit) = egress.hit(widest.outlet, &widest.ways, &words) else { continue };
        if is_wide(&all, most) {
            let others = members.iter().filter(|one| !std::ptr::eq(**one, *widest));
            let ways = others.flat_map(|one| one.ways.iter().map(|way| (one.outlet.object, way.at)));
            results.fail(ways.fold(hit, |hit, (object, at)| hit.also_at(object, at)));
        }
    }
}

/// Whether a domain lets nothing out: said, or by its tier.
fn is_closed(domain: &Object) -> bool {
    let spec = domain.spec();
    let said = spec.and_then(|spec| spec.at(&["network", "internet"])?.text());
    said == Some("Never") || spec.and_then(|spec| spec.str_at("tier")) == Some("Sealed")
}

fn is_wide(addresses: &Addresses, (v4, v6): (u128, u128)) -> bool {
    let sizes = addresses.sizes();
    sizes.0 > v4 || sizes.1 > v6
}

fn message(ways: &[&Way<'_>]) -> String {
    let names: Vec<&str> = ways.iter().filter_map(|way| way.at.text()).collect();
    match names.as_slice() {
        [] => "out to everywhere".to_owned(),
        [one] => format!("out to the internet ({one})"),
        [one, more @ ..] => format!("out to the internet ({one} and {} more)", more.len()),
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Confidence;
    use ringfence_finding::Outcome;
    use ringfence_inventory::Input;
    use ringfence_inventory::Inventory;
    use ringfence_inventory::Options;

    use super::CONTROL;
    use crate::engine::judge;
    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_range() {
        insta::assert_snapshot!(one_line("internet-egress", "bad"), @"HIGH RF-NET-002 NetworkPolicy/ml/allow-hub: lets 1 workload out to the internet (0.0.0.0/0)");
    }

    #[test]
    fn good_fixture_stays_inside_or_goes_to_few() {
        insta::assert_snapshot!(one_line("internet-egress", "good"), @"");
    }

    #[test]
    fn a_policy_of_another_kind_makes_it_unknown() {
        let said = one_line("internet-egress", "unknown");
        let own = said.lines().filter(|line| line.contains("RF-NET-002"));
        assert_eq!(
            own.collect::<Vec<_>>(),
            [
                "UNKNOWN RF-NET-002 CiliumNetworkPolicy/ml/allow-hub: may open or close more than NetworkPolicies do and is not evaluated"
            ]
        );
    }

    #[test]
    fn a_policy_of_another_kind_makes_what_is_open_less_sure_and_hides_nothing() {
        let other = |kind: &str, namespace: &str| {
            format!(
                "---\napiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: c{namespace}}}\nspec: {{}}\n"
            )
        };
        let open = with(&["{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}"]);
        let closed = with(&[""]);
        let unknown = "may open or close more than NetworkPolicies do and is not evaluated";
        for (policy, counts) in [
            (other("CiliumNetworkPolicy", ", namespace: ml"), true),
            (other("CiliumClusterwideNetworkPolicy", ""), true),
            (other("CiliumNetworkPolicy", ", namespace: web"), false),
            // Applied somewhere, not everywhere.
            (other("CiliumNetworkPolicy", ""), false),
        ] {
            let found = judged("RF-NET-002", &(open.clone() + &policy));
            assert_eq!(found.len(), 1, "{policy}");
            assert_eq!(found[0].outcome, Outcome::Fail, "{policy}");
            let confidence = if counts { Confidence::Medium } else { Confidence::High };
            assert_eq!(found[0].confidence, confidence, "{policy}");
            assert_eq!(found[0].evidence.iter().any(|one| one.shown == unknown), counts, "{policy}");
            let said = said(&(closed.clone() + &policy));
            assert_eq!(!said.is_empty(), counts, "{policy}");
        }
    }

    /// A GPU Deployment in a namespace, with the egress rules of its policies.
    fn with(rules: &[&str]) -> String {
        let deployment = "apiVersion: apps/v1
kind: Deployment
metadata: {name: llm, namespace: ml}
spec:
  template:
    metadata: {labels: {app: llm}}
    spec: {containers: [{name: s, image: x, resources: {limits: {nvidia.com/gpu: 1}}}]}
"
        .to_owned();
        rules.iter().enumerate().fold(deployment, |text, (index, rules)| {
            text + &format!(
                "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: p{index}, namespace: ml}}
spec: {{podSelector: {{}}, policyTypes: [Ingress, Egress], egress: [{rules}]}}
"
            )
        })
    }

    fn said(text: &str) -> Vec<String> {
        let line = |finding: ringfence_finding::Finding| match finding.outcome {
            Outcome::Fail => finding.message,
            _ => format!("unknown: {}", finding.message),
        };
        judged("RF-NET-002", text).into_iter().map(line).collect()
    }

    fn to(range: &str) -> String {
        said(&with(&[&format!("{{to: [{{ipBlock: {{cidr: '{range}'}}}}]}}")])).join("; ")
    }

    #[test]
    fn the_internet_is_what_is_not_routed_inside() {
        let open = |range: &str| format!("lets 1 workload out to the internet ({range})");
        for range in
            ["0.0.0.0/0", "::/0", "0.0.0.0/1", "8.0.0.0/15", "172.0.0.0/8", "2600::/24", "64:ff9b::/20"]
        {
            assert_eq!(to(range), open(range));
        }
        for range in [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "fd00::/8",
            "8.8.0.0/16",
            "2600:9000::/32",
        ] {
            assert_eq!(to(range), "", "{range}");
        }
        assert_eq!(to("${CIDR}"), "unknown: this range cannot be read");
    }

    #[test]
    fn a_rule_without_destination_goes_everywhere_and_names_of_pods_do_not() {
        for rule in ["{}", "{ports: [{port: 443}]}", "{to: []}", "{to: [{}]}"] {
            assert_eq!(said(&with(&[rule])), ["lets 1 workload out to everywhere"], "{rule}");
        }
        for rule in ["{to: [{podSelector: {}}]}", "{to: [{namespaceSelector: {}}]}"] {
            assert_eq!(said(&with(&[rule])), [""; 0], "{rule}");
        }
        assert_eq!(said(&with(&[""])), [""; 0]);
    }

    #[test]
    fn dns_to_everywhere_is_medium_and_hides_nothing() {
        let said = |rules: &[&str]| {
            let found = judged("RF-NET-002", &with(rules));
            found.iter().map(|one| format!("{} {}", one.severity, one.message)).collect::<Vec<_>>()
        };
        let dns = "{ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]}";
        let medium = "medium lets 1 workload out on port 53 to everywhere; name the cluster's DNS";
        assert_eq!(said(&[dns]), [medium]);
        assert_eq!(said(&[&dns.replace("{ports", "{to: [], ports")]), [medium]);
        let high = ["high lets 1 workload out to everywhere"];
        assert_eq!(said(&["{ports: [{protocol: UDP, port: 53}, {port: 443}]}"]), high);
        assert_eq!(said(&["{ports: [{port: 53, endPort: 9999}]}"]), high);
        assert_eq!(said(&["{ports: [{protocol: UDP}]}"]), high);
        let all = "{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}";
        let internet = "high lets 1 workload out to the internet (0.0.0.0/0)";
        assert_eq!(said(&[&format!("{dns}, {all}")]), [internet]);
        assert_eq!(said(&[dns, all]), [internet, medium]);
        let named = "{to: [{namespaceSelector: {}}], ports: [{protocol: UDP, port: 53}]}";
        assert_eq!(said(&[named]), [""; 0]);
    }

    #[test]
    fn an_exception_is_open_again_by_another_rule_and_halves_add_up() {
        let ranges =
            |cidr: &str, except: &str| format!("{{to: [{{ipBlock: {{cidr: {cidr}, except: [{except}]}}}}]}}");
        let rest = ranges("8.0.0.0/14", "8.0.0.0/15, 8.2.0.0/16, 8.3.0.0/17");
        assert_eq!(said(&with(&[&rest])), [""; 0]);
        let halves = [ranges("8.0.0.0/16", ""), ranges("9.0.0.0/17", "")];
        assert_eq!(said(&with(&[&halves[0]])), [""; 0]);
        let both = said(&with(&[&halves[0], &halves[1]]));
        assert_eq!(both, ["lets 1 workload out to the internet (8.0.0.0/16) and by 1 more policy"]);
        let one = said(&with(&[&format!("{}, {}", halves[0], halves[1])]));
        assert_eq!(one, ["lets 1 workload out to the internet (8.0.0.0/16 and 1 more)"]);
        // The same range twice is no more than once.
        assert_eq!(said(&with(&[&halves[0], &halves[0]])), [""; 0]);
    }

    #[test]
    fn what_no_policy_isolates_is_told_by_another_control() {
        assert_eq!(said(&with(&[])), [""; 0]);
        let other = with(&["{}"]).replace("podSelector: {}", "podSelector: {matchLabels: {app: web}}");
        assert_eq!(said(&other), [""; 0]);
        let ingress = with(&["{}"]).replace("[Ingress, Egress]", "[Ingress]");
        assert_eq!(said(&ingress), [""; 0]);
    }

    fn domain(spec: &str) -> String {
        format!(
            "---\napiVersion: ringfence.dev/v1alpha1\nkind: SecurityDomain\nmetadata: {{name: d}}\nspec: {{namespaces: {{names: [ml]}}, {spec}}}\n"
        )
    }

    #[test]
    fn a_domain_without_internet_takes_no_public_address() {
        let few = with(&["{to: [{ipBlock: {cidr: 8.8.8.8/32}}]}"]);
        let open = ["lets 1 workload out to the internet (8.8.8.8/32)"];
        assert_eq!(said(&(few.clone() + &domain("tier: Baseline"))), [""; 0]);
        assert_eq!(said(&(few.clone() + &domain("tier: Sealed"))), open);
        assert_eq!(said(&(few.clone() + &domain("network: {internet: Never}"))), open);
        let other = domain("tier: Sealed").replace("[ml]", "[web]");
        assert_eq!(said(&(few + &other)), [""; 0]);
    }

    #[test]
    fn what_a_domain_names_is_not_the_internet_for_its_namespaces() {
        let rule = |range: &str| with(&[&format!("{{to: [{{ipBlock: {{cidr: {range}}}}}]}}")]);
        let campus = rule("131.0.0.0/12");
        let open = ["lets 1 workload out to the internet (131.0.0.0/12)"];
        assert_eq!(said(&campus), open);
        let internal = domain("network: {internalCIDRs: [131.0.0.0/8]}");
        let egress = domain("network: {egress: [{name: campus, to: {cidr: 131.0.0.0/12}}]}");
        for named in [&internal, &egress] {
            assert_eq!(said(&(campus.clone() + named)), [""; 0], "{named}");
            let elsewhere = named.replace("[ml]", "[web]");
            assert_eq!(said(&(campus.clone() + &elsewhere)), open, "{elsewhere}");
            let beside = ["lets 1 workload out to the internet (132.0.0.0/12)"];
            assert_eq!(said(&(rule("132.0.0.0/12") + named)), beside, "{named}");
            // Such a domain may name no public range.
            let never = named.replace("network: {", "network: {internet: Never, ");
            assert_eq!(said(&(campus.clone() + &never)), open, "{never}");
        }
        let halves = domain("network: {internalCIDRs: [0.0.0.0/1, 128.0.0.0/1]}");
        assert_eq!(said(&(campus + &halves)), open);
    }

    #[test]
    fn labels_that_an_operator_adds_and_policies_that_were_not_seen_are_unknown() {
        let ray = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec: {headGroupSpec: {template: {spec: {containers: [{name: h, image: ray}]}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: ml}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: ml}
spec: {podSelector: {matchLabels: {ray.io/cluster: r}}, policyTypes: [Egress], egress: [{}]}
";
        assert_eq!(said(ray), ["unknown: selects 1 workload by labels that an operator adds"]);
        let options = Options { partial: true, ..Options::default() };
        for (rules, expected) in [
            ("", "a policy may be missing: the set was given as partial"),
            ("{}", "lets 1 workload out to everywhere"),
        ] {
            let inventory = Inventory::read(Input::from_bytes("-", with(&[rules]).into_bytes()), &options);
            let findings = judge(&inventory, &[&CONTROL]).findings;
            assert_eq!(findings.iter().map(|one| one.message.as_str()).collect::<Vec<_>>(), [expected]);
        }
    }
}
