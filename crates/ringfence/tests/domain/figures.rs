//! Tests: the small form of `cargo xtask bench domain`, with the same domain, witness and measures: what a controller writes,
//! takes and says of fifty namespaces, counted, never timed.

use std::time::Duration;
use std::time::Instant;

use ringfence_lab::ControlPlane;
use ringfence_lab::Options;
use ringfence_lab::Tier;
use ringfence_lab::until;
use serde_json::json;

use crate::controller::Controller;
use crate::controller::get;
use crate::controller::of_the_account;
use crate::kept;
use crate::kept::WHO;
use crate::set_up;
use crate::support::Folder;

/// Namespaces, in two steps of as many: two sizes tell what each costs.
const STEP: usize = 25;
/// Quotas that are removed, one after the other.
const REMOVALS: usize = 10;
/// The quiet that is watched.
const QUIET: Duration = Duration::from_secs(20);
/// After so long without a write nothing is on its way any more.
const REST: Duration = Duration::from_secs(5);
/// For what takes the controller moments, on a crowded machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Most bytes of a status, and most memory of the controller at a thousand namespaces (docs/performance.md).
const STATUS: usize = 30_000;
const MEGABYTES: f64 = 100.0;
/// Most of a core that it takes while nothing changes.
const IDLE: f64 = 0.01;

#[test]
#[ignore = "needs lab tier 1b: a controller with its own rights over fifty namespaces"]
fn fifty_namespaces_are_kept_without_a_write_repaired_one_by_one_and_told_in_little() {
    let options = Options { tier: Some(Tier::ControlPlane), ..Options::default() };
    let Some(lab) = ringfence_lab::need_private(&options) else { return };
    let lab = &lab;
    set_up(lab);
    let folder = Folder::new("figures");
    let kubeconfig = folder.write("kubeconfig", of_the_account(lab).to_string());
    let controller = Controller::start(&kubeconfig);
    let world = World { lab, controller: &controller };

    let begin = Instant::now();
    let first = world.grow(0..STEP);
    let second = world.grow(STEP..2 * STEP);
    println!("{} namespaces in Enforce after {:.1} s", 2 * STEP, begin.elapsed().as_secs_f64());
    let each = second.saturating_sub(first).div_ceil(STEP);
    println!("status: {first} bytes at {STEP} namespaces, {second} at {}", 2 * STEP);
    assert!(each > 0, "each namespace is in the inventory");
    assert!(second + each * (1000 - 2 * STEP) <= STATUS, "{each} bytes a namespace");

    world.nothing_is_written_while_nothing_changes();
    world.what_is_removed_comes_back();
    let peak = controller.usage().peak_megabytes;
    println!("peak memory: {peak:.1} MB");
    assert!(peak <= MEGABYTES, "{peak} MB");
    assert!(controller.term(lab).success());
}

struct World<'a> {
    lab: &'a ControlPlane,
    controller: &'a Controller,
}

impl World<'_> {
    /// Makes these namespaces and waits until the domain has all there are in Enforce; the bytes of its status.
    fn grow(&self, numbers: std::ops::Range<usize>) -> usize {
        self.lab.apply(&kept::namespaces("figures", numbers.clone()).to_string()).ok();
        self.lab.apply(&kept::domain("figures").to_string()).ok();
        until("all of them in Enforce", PATIENCE, || {
            let domain = get(self.lab, &["sdom", "figures"])?;
            let status = &domain["status"];
            let is = |kind: &str, wanted: &str| {
                let conditions = status["conditions"].as_array().into_iter().flatten();
                conditions.into_iter().any(|it| it["type"] == kind && it["status"] == wanted)
            };
            let is_whole = is("Ready", "True") && is("SimulationCurrent", "True");
            let is_enforced = status["effectiveModes"] == json!({"mode": "Enforce"});
            let fenced = (0..numbers.end)
                .all(|it| status["inventory"].to_string().contains(&format!("\"{}\"", kept::namespace(it))));
            (is_whole && is_enforced && fenced).then(|| status.to_string().len())
        })
    }

    /// Writes of the controller since a moment.
    fn written(&self, since: &str, resource: Option<&str>) -> Vec<kept::Answered> {
        kept::written(&self.lab.folder().join("log/audit.log"), since, resource).unwrap()
    }

    fn nothing_is_written_while_nothing_changes(&self) {
        let rests = || self.written(&kept::clock(REST).unwrap(), None).is_empty().then_some(());
        until("it comes to rest", PATIENCE, rests);
        let (since, begin, before) =
            (kept::clock(Duration::ZERO).unwrap(), Instant::now(), self.controller.usage());
        let mut audit = self.lab.audit();
        // That it lives, its lease tells: it is renewed every ten seconds.
        let renewals = until("the quiet is over", QUIET * 3, || {
            let events = audit.of_user(WHO);
            let renewals = events.iter().filter(|it| it.resource() == "leases" && it.code() == 200).count();
            (renewals >= 2 && begin.elapsed() >= QUIET).then_some(renewals)
        });
        let cpu = self.controller.usage().cpu_seconds - before.cpu_seconds;
        let took = begin.elapsed().as_secs_f64();
        println!("quiet: {took:.0} s, {renewals} renewals, {cpu:.2} CPU-s");
        let written = self.written(&since, None);
        assert!(written.is_empty(), "{written:#?}");
        assert!(cpu <= took * IDLE, "{cpu} CPU-s in {took} s");
    }

    fn what_is_removed_comes_back(&self) {
        let since = kept::clock(Duration::ZERO).unwrap();
        for number in 0..REMOVALS {
            let name = kept::namespace(number * 2 * STEP / REMOVALS);
            let quota = ["-n", &name, "quota/rf-quota"];
            let uid = || get(self.lab, &quota).map(|it| it["metadata"]["uid"].clone());
            let before = uid().unwrap();
            self.lab.kubectl(&["-n", &name, "delete", "quota", "rf-quota", "--wait=false"]).ok();
            until("the quota is back", PATIENCE, || uid().filter(|it| *it != before));
            let told = format!("ResourceQuota {name}/rf-quota: ");
            until("an event tells it", PATIENCE, || {
                let events = get(self.lab, &["events.events.k8s.io", "-n", "default"])?;
                let notes = events["items"].as_array()?.iter().filter_map(|it| it["note"].as_str());
                notes.into_iter().any(|it| it.starts_with(&told) && it.ends_with("restored")).then_some(())
            });
        }
        let repairs = kept::repairs(&self.written(&since, Some("resourcequotas")));
        println!("repairs: {repairs:.3?} s");
        assert_eq!(repairs.len(), REMOVALS, "each removal and its repair stand in the audit log");
        let writes = self.written(&since, None);
        let quotas = writes.iter().filter(|it| it.what.starts_with("resourcequotas")).count();
        assert_eq!(quotas, REMOVALS, "one write each: {writes:#?}");
    }
}
