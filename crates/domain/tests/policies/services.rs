//! Services: no address of others.

use std::time::Duration;

use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::world::Calls;
use crate::world::ENFORCED;
use crate::world::OBSERVED;
use crate::world::OUTSIDE;
use crate::world::WARNED;
use crate::world::operator;
use crate::world::try_create;
use crate::world::world;

const SECONDS: Duration = Duration::from_secs(30);

fn service(fields: &Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "registry"},
        "spec": {"selector": {"app": "mine"}, "ports": [{"port": 443}]}});
    crate::twins::merge(&mut object["spec"], fields);
    object
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_service_may_not_take_the_address_of_another() {
    let Some(lab) = world() else { return };
    let taken = service(&json!({"externalIPs": ["192.0.2.7"]}));
    until("services are guarded", SECONDS, || (!try_create(lab, ENFORCED, &taken).is_ok()).then_some(()));
    let said = try_create(lab, ENFORCED, &taken).refused();
    assert!(said.contains("denied request: RF-NET-007 spec.externalIPs"), "{said}");
    let warned = try_create(lab, WARNED, &taken);
    assert!(warned.is_ok() && warned.stderr().contains("RF-NET-007"), "{}", warned.stderr());
    for namespace in [OBSERVED, OUTSIDE] {
        let silent = try_create(lab, namespace, &taken);
        assert!(silent.is_ok() && !silent.stderr().contains("RF-"), "{namespace}: {}", silent.stderr());
    }
    for plain in
        [service(&json!({})), service(&json!({"clusterIP": "None"})), service(&json!({"externalIPs": []}))]
    {
        let done = try_create(lab, ENFORCED, &plain);
        assert!(done.is_ok() && done.stderr().is_empty(), "{plain}: {}", done.stderr());
    }
}

#[test]
#[ignore = "needs lab tier 1b: creates what is refused later"]
fn a_service_older_than_enforce_may_be_labelled_but_not_turned_elsewhere() {
    let Some(lab) = world() else { return };
    let name = "old-service";
    let namespace = |mode: &str| {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name,
            "labels": {"ringfence.dev/domain": name, "ringfence.dev/mode": mode}}});
        lab.apply_as(&operator(), &object.to_string()).ok();
    };
    namespace("observe");
    lab.create_in(name, &service(&json!({"externalIPs": ["192.0.2.7"]})), &[]).ok();
    namespace("enforce");
    let patch = |patch: Value, flag: &str| {
        let patch = patch.to_string();
        lab.kubectl(&["patch", "service", "registry", "-n", name, "--type=merge", "--patch", &patch, flag])
    };
    let turned = json!({"spec": {"selector": {"app": "other"}}});
    let said = until("Enforce acts", SECONDS, || {
        let done = patch(turned.clone(), "--dry-run=server");
        (!done.is_ok()).then(|| done.stderr())
    });
    assert!(said.contains("RF-NET-007"), "{said}");
    patch(json!({"metadata": {"labels": {"team": "research"}}}), "--dry-run=server").ok();
    patch(json!({"spec": {"externalIPs": null}}), "--dry-run=server").ok();
    lab.kubectl(&["delete", "service", "registry", "-n", name]).ok();
}
