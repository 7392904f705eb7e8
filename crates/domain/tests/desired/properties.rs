//! Tests: what holds for every domain that the schema lets through.

use std::collections::BTreeSet;

use proptest::prelude::*;
use ringfence_domain::DesiredObject;
use ringfence_domain::spec::Mode;
use serde_json::Value;
use serde_json::json;

use crate::domain;
use crate::facts;
use crate::objects;

/// Metadata addresses of clouds.
const METADATA: [&str; 2] = ["169.254.169.254/32", "fd00:ec2::254/128"];

fn cidr() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("10.1.0.0/16".to_owned()),
        Just("169.254.0.0/16".to_owned()),
        Just("128.0.0.0/1".to_owned()),
        Just("fd00::/8".to_owned()),
        Just("::/1".to_owned()),
        Just("8000::/1".to_owned()),
        Just("169.254.169.254/32".to_owned()),
        Just("10.0.0.1/8".to_owned()),
        "[0-9]{1,3}\\.[0-9]{1,3}\\.0\\.0/1[0-9]",
    ]
}

fn spec() -> impl Strategy<Value = Value> {
    let egress = prop::collection::vec(
        prop_oneof![
            cidr().prop_map(|it| json!({"cidr": it})),
            Just(json!({"namespace": "web"})),
            Just(json!({"service": {"namespace": "store", "name": "minio"}})),
            Just(json!({"service": {"namespace": "store", "name": "gone"}})),
        ],
        0..4,
    );
    let names = prop::sample::subsequence(vec!["a", "b", "web", "gone"], 1..4);
    let tier = prop::sample::select(vec!["Baseline", "Restricted", "Sealed"]);
    (egress, names, tier, any::<[bool; 4]>()).prop_map(|(egress, names, tier, flags)| {
        let rule = |(index, to): (usize, Value)| json!({"name": format!("e{index}"), "to": to, "ports": [{"port": 443}]});
        json!({
            "tier": tier,
            "namespaces": {"names": names, "create": flags[0]},
            "nodes": if flags[1] { json!({"selector": {"matchLabels": {"pool": "gpu"}}}) } else { json!({}) },
            "network": {
                "intraDomain": flags[2],
                "egress": egress.into_iter().enumerate().map(rule).collect::<Vec<_>>(),
            },
            "quota": if flags[3] { json!({"gpu": 1}) } else { json!({}) },
        })
    })
}

/// Every rule of every policy among the objects: its peers and whether it has ports.
fn egress_rules(objects: &[DesiredObject]) -> Vec<(Vec<Value>, bool)> {
    let policies = objects.iter().filter(|it| it.id.kind == "NetworkPolicy");
    let rules =
        policies.flat_map(|it| it.body.tree()["spec"]["egress"].as_array().cloned().unwrap_or_default());
    rules
        .map(|rule| {
            let peers = rule["to"].as_array().cloned().unwrap_or_default();
            (peers, rule["ports"].as_array().is_some_and(|it| !it.is_empty()))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn equal_input_gives_equal_bytes(first in spec(), second in spec()) {
        let domains = [domain("one", 1, &first), domain("two", 2, &second)];
        let turned = [domains[1].clone(), domains[0].clone()];
        let once = objects(&domains, Mode::Enforce, &facts());
        prop_assert_eq!(&once, &objects(&turned, Mode::Enforce, &facts()));
    }

    #[test]
    fn no_two_domains_own_one_thing(first in spec(), second in spec()) {
        let domains = [domain("one", 1, &first), domain("two", 2, &second)];
        let desired = objects(&domains, Mode::Enforce, &facts());
        let ids: Vec<_> = desired.objects.iter().map(|it| &it.id).collect();
        let different: BTreeSet<_> = ids.iter().copied().collect();
        prop_assert_eq!(ids.len(), different.len());
        for node in desired.objects.iter().filter(|it| it.id.kind == "Node") {
            let selected = domains.iter().filter(|it| it.spec.nodes.selector.is_some());
            let oldest = selected.min_by_key(|it| it.metadata.creation_timestamp.clone());
            prop_assert_eq!(node.domain(), oldest.and_then(|it| it.metadata.name.as_deref()));
        }
    }

    #[test]
    fn every_rule_to_others_has_ports_and_misses_metadata(given in spec()) {
        let desired = objects(&[domain("one", 1, &given)], Mode::Enforce, &facts());
        for (peers, has_ports) in egress_rules(&desired.objects) {
            prop_assert!(!peers.is_empty(), "a rule without peers is everywhere");
            let names = &desired.outcomes["one"].namespaces;
            let own = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": names});
            let own = json!({"namespaceSelector": {"matchExpressions": [own]}});
            prop_assert!(has_ports || peers == [json!({"podSelector": {}}), own], "{:?}", peers);
            for peer in &peers {
                let block = &peer["ipBlock"];
                let Some(cidr) = block["cidr"].as_str() else { continue };
                prop_assert!(!cidr.ends_with("/0"));
                for address in METADATA {
                    prop_assert_ne!(cidr, address);
                }
                let holes = block["except"].as_array().cloned().unwrap_or_default();
                if ["169.254.0.0/16", "128.0.0.0/1"].contains(&cidr) {
                    prop_assert!(holes.contains(&json!("169.254.169.254/32")), "{:?}", block);
                }
                if ["fd00::/8", "8000::/1"].contains(&cidr) {
                    prop_assert!(holes.contains(&json!("fd00:ec2::254/128")), "{:?}", block);
                }
            }
        }
    }

    #[test]
    fn a_weaker_mode_writes_less(given in spec()) {
        let ids = |mode| -> BTreeSet<_> {
            let desired = objects(&[domain("one", 1, &given)], mode, &facts());
            desired.objects.into_iter().map(|it| it.id).collect()
        };
        let (observe, warn, enforce) = (ids(Mode::Observe), ids(Mode::Warn), ids(Mode::Enforce));
        prop_assert!(observe.is_subset(&warn) && warn.is_subset(&enforce));
        prop_assert!(observe.iter().all(|it| it.kind == "Namespace"));
    }
}
