//! Claims of devices against the quota that a domain will set: what a simulation says before, and what the API server does
//! after.

use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::get;
use crate::ground::identity;
use crate::ground::turn;
use crate::lab;

/// No driver stands behind it: claims are counted and never filled.
const CLASS: &str = "claims.example.com";
const KEY: &str = "claims.example.com.deviceclass.resource.k8s.io/devices";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: quotas are counted by its controllers"]
async fn claims_that_a_quota_will_refuse_are_foreseen() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("claims");
    let name = namespace.name();
    let class = json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": CLASS}, "spec": {}});
    lab.apply(&class.to_string()).ok();
    let either = |few: u32, many: u32| {
        let of = |name: &str, count: u32| json!({"name": name, "deviceClassName": CLASS, "count": count});
        json!({"devices": {"requests": [{"name": "a", "firstAvailable": [of("few", few), of("many", many)]}]}})
    };
    let exactly = |fields: Value| {
        let mut exactly = fields;
        exactly["deviceClassName"] = json!(CLASS);
        json!({"devices": {"requests": [{"name": "a", "exactly": exactly}]}})
    };
    let claim = |name: &str, spec: Value| json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": name}, "spec": spec});
    // Of four devices they take one by default, two as the larger of two alternatives, and three.
    let claims = [
        claim("one", exactly(json!({}))),
        claim("two", either(1, 2)),
        claim("three", exactly(json!({"count": 3}))),
    ];
    let whole = exactly(json!({"allocationMode": "All"}));
    let template = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate",
        "metadata": {"name": "whole"}, "spec": {"spec": whole}});
    for it in claims.iter().chain([&template]) {
        namespace.apply(&it.to_string()).ok();
    }

    let running = Running::start(lab, "controller-claims").await;
    let domain = Domain::new(lab, name, "Enforce", &json!({"quota": {"deviceClasses": {CLASS: 4}}}));
    let simulation = until("it is simulated", SOON, || {
        let status = domain.get()?["status"].clone();
        status["effectiveModes"]["held"]
            .as_str()?
            .contains("would be refused")
            .then(|| status["simulation"].clone())
    });
    let wanted = [
        format!("{name}/ResourceClaimTemplate/whole: RF-GPU-020"),
        format!("{name}: claims take 6 {KEY}, the quota is 4; 1 could not be made again"),
    ];
    assert_eq!((simulation["wouldDeny"].clone(), simulation["owners"].clone()), (json!(2), json!(wanted)));

    domain.patch(&json!({"spec": {"enforcement": {"acknowledged": simulation["hash"]}}}));
    domain.settled();
    let used = |wanted: &str| {
        until(&format!("{wanted} are counted"), SOON, || {
            (get(lab, &["-n", name, "quota/rf-quota"])?["status"]["used"][KEY] == wanted).then_some(())
        });
    };
    used("6");
    namespace.kubectl(&["delete", "resourceclaims", "--all"]).ok();
    used("0");
    let refused: Vec<bool> =
        claims.iter().map(|it| !namespace.create_as(&identity("anna"), &it.to_string()).is_ok()).collect();
    assert_eq!(refused, [false, false, true], "one could not be made again");
    let said = namespace.create_as(&identity("anna"), &claim("of-whole", whole).to_string()).refused();
    assert!(said.contains(&format!("requested: {KEY}=32")), "{said}");
    running.end().await;
    lab.kubectl(&["delete", "deviceclass", CLASS]).ok();
}
