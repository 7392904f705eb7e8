//! Quota, limits and deadlines where they take hold (guide 3, 38, 45, hole 7): on what runs, not on what is written.

use ringfence_lab::Namespace;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::get;
use crate::stage::ACTS;
use crate::stage::GPU;
use crate::stage::Stage;
use crate::stage::gpus;
use crate::stage::pod;

/// A class of devices of the tests; no driver stands behind it, so claims are counted and never filled.
const CLASS: &str = "gpu.example.com";
const CLASS_KEY: &str = "gpu.example.com.deviceclass.resource.k8s.io/devices";

/// What a claim asks for.
fn devices(request: &Value) -> Value {
    let mut request = request.clone();
    request["name"] = json!("gpu");
    json!({"devices": {"requests": [request]}})
}

fn exactly(fields: &Value) -> Value {
    let mut exactly = fields.clone();
    exactly["deviceClassName"] = json!(CLASS);
    devices(&json!({"exactly": exactly}))
}

fn claim(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": name}, "spec": spec})
}

fn create(namespace: &Namespace<'_>, object: &Value) -> ringfence_lab::Done {
    namespace.create_as(&crate::ground::identity("platform-admin"), &object.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: a kubelet that offers GPUs"]
async fn a_namespace_takes_every_gpu_and_device_until_a_quota_counts_them() {
    let Some(stage) = Stage::enter().await else { return };
    let (lab, node) = (stage.lab, &stage.node);
    let ml = lab.namespace("ml");
    node.set_extended(GPU, 4);
    let class = json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": CLASS}, "spec": {}});
    lab.apply(&class.to_string()).ok();

    // Whoever comes first has all of them.
    for name in ["hoard-1", "hoard-2"] {
        create(&ml, &pod(name, &json!({}), &gpus(2, "64Mi"))).ok();
        node.running(ml.name(), name);
    }
    create(&ml, &claim("hoard", &exactly(&json!({"count": 3})))).ok();
    ml.kubectl(&["delete", "pods,resourceclaims", "--all"]).ok();

    let controller = stage.controller().await;
    let more = json!({"quota": {"gpu": 2, "deviceClasses": {CLASS: 2}}, "limits": {"default": {"cpu": "100m", "memory": "64Mi"}}});
    let domain = Domain::new(lab, ml.name(), "Enforce", &more);
    domain.settled();
    stage.acts(&ml);
    let counted = [
        format!("requests.{GPU}"),
        CLASS_KEY.to_owned(),
        format!("requests.deviceclass.resource.kubernetes.io/{CLASS}"),
        // A kind that no node offers now may be offered tomorrow.
        "requests.amd.com/gpu".to_owned(),
    ];
    until("the quota is counted", ACTS, || {
        let used = get(lab, &["-n", ml.name(), "quota/rf-quota"])?["status"]["used"].clone();
        counted.iter().all(|key| used[key] == "0").then_some(())
    });
    let exceeded = |object: &Value, key: &str, amounts: [u32; 3]| {
        let said = create(&ml, object).refused();
        let [requested, used, limited] = amounts;
        for words in [
            "exceeded quota: rf-quota".to_owned(),
            format!("requested: {key}={requested}"),
            format!("used: {key}={used}"),
            format!("limited: {key}={limited}"),
        ] {
            assert!(said.contains(&words), "{words}: {said}");
        }
    };
    let gpu_key = format!("requests.{GPU}");
    create(&ml, &pod("first", &json!({}), &gpus(2, "64Mi"))).ok();
    node.running(ml.name(), "first");
    exceeded(&pod("second", &json!({}), &gpus(1, "64Mi")), &gpu_key, [1, 2, 2]);

    // All devices of a class count as many as a claim can hold; of alternatives the largest counts.
    exceeded(&claim("all", &exactly(&json!({"allocationMode": "All"}))), CLASS_KEY, [32, 0, 2]);
    let alternative =
        |name: &str, count: u32| json!({"name": name, "deviceClassName": CLASS, "count": count});
    let either = devices(&json!({"firstAvailable": [alternative("few", 1), alternative("many", 3)]}));
    exceeded(&claim("either", &either), CLASS_KEY, [3, 0, 2]);
    create(&ml, &claim("two", &exactly(&json!({"count": 2})))).ok();
    exceeded(&claim("third", &exactly(&json!({"count": 1}))), CLASS_KEY, [1, 2, 2]);
    // Nor by a template, for which a controller makes the claim: the pod waits and says for what.
    let template = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate", "metadata": {"name": "each"},
        "spec": {"spec": exactly(&json!({"count": 1}))}});
    create(&ml, &template).ok();
    let claims = json!({"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "each"}]});
    create(&ml, &pod("by-template", &claims, &json!({"resources": {"claims": [{"name": "gpu"}]}}))).ok();
    let about = "--field-selector=involvedObject.name=by-template";
    until("the event of the pod", ACTS, || {
        let said = ml.kubectl(&["get", "events", about]).ok();
        (said.contains("exceeded quota: rf-quota") && said.contains(CLASS_KEY)).then_some(())
    });
    let waits = get(lab, &["-n", ml.name(), "pod", "by-template"]).unwrap();
    assert_eq!(waits["status"]["phase"], "Pending");

    // What is given back can be taken.
    ml.kubectl(&["delete", "pod", "first"]).ok();
    until("a GPU is free again", ACTS, || {
        create(&ml, &pod("second", &json!({}), &gpus(1, "64Mi"))).is_ok().then_some(())
    });
    node.running(ml.name(), "second");
    stage.end();
    controller.end().await;
    lab.kubectl(&["delete", "deviceclass", CLASS]).ok();
    node.set_extended(GPU, 0);
}

/// A Job with one try, whose container says nothing of resources.
fn job(name: &str, arguments: &[&str], fields: &Value) -> Value {
    let template = pod("", &json!({"restartPolicy": "Never"}), &json!({"args": arguments}));
    let mut spec = json!({"backoffLimit": 0, "template": {"spec": template["spec"]}});
    crate::stage::merge(&mut spec, fields);
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
}

/// The pod of a Job that has ended, and how its container did.
fn ended(stage: &Stage, ml: &Namespace<'_>, job: &str) -> (Value, Option<String>, i32) {
    let selector = format!("--selector=job-name={job}");
    let name = until("the pod of the Job", ACTS, || {
        let names = ml.kubectl(&["get", "pods", &selector, "--output=name"]).ok();
        names.trim().strip_prefix("pod/").map(str::to_owned)
    });
    let end = stage.node.ended(ml.name(), &name);
    (get(stage.lab, &["-n", ml.name(), "pod", &name]).unwrap(), end.reason, end.exit_code)
}

const EATS: [&str; 5] = ["eat", "96", "+", "sleep", "0.5"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: containers and their memory"]
async fn a_job_takes_what_it_wants_for_as_long_as_it_wants_until_a_domain_bounds_it() {
    let Some(stage) = Stage::enter().await else { return };
    let lab = stage.lab;
    let ml = lab.namespace("ml");
    let spec_of = |name: &str| get(lab, &["-n", ml.name(), "job", name]).unwrap()["spec"].clone();

    create(&ml, &job("unbounded", &EATS, &json!({}))).ok();
    let (free, reason, code) = ended(&stage, &ml, "unbounded");
    assert_eq!(
        (free["spec"]["containers"][0]["resources"].clone(), reason.as_deref(), code),
        (json!({}), Some("Completed"), 0)
    );
    let spec = spec_of("unbounded");
    assert!(spec["activeDeadlineSeconds"].is_null() && spec["ttlSecondsAfterFinished"].is_null(), "{spec}");

    // A quota on limits refuses pods without any: the LimitRange is there before it.
    let controller = stage.controller().await;
    let more = json!({
        "quota": {"cpu": "1", "memory": "256Mi"},
        "limits": {"default": {"cpu": "100m", "memory": "32Mi"}},
    });
    let domain = Domain::new(lab, ml.name(), "Enforce", &more);
    domain.settled();
    stage.acts(&ml);
    create(&ml, &job("greedy", &EATS, &json!({}))).ok();
    create(&ml, &job("modest", &["sleep", "0"], &json!({"activeDeadlineSeconds": 120}))).ok();
    let (pod, reason, code) = ended(&stage, &ml, "greedy");
    let limits = json!({"cpu": "100m", "memory": "32Mi"});
    assert_eq!(pod["spec"]["containers"][0]["resources"], json!({"limits": limits, "requests": limits}));
    assert_eq!((reason.as_deref(), code), (Some("OOMKilled"), 137));
    let (pod, _, code) = ended(&stage, &ml, "modest");
    assert_eq!((pod["spec"]["containers"][0]["resources"]["limits"].clone(), code), (limits, 0));
    until("the Job is complete", ACTS, || {
        let done = get(lab, &["-n", ml.name(), "job", "modest"])?;
        (done["status"]["succeeded"] == 1).then_some(())
    });
    // In Baseline nobody asked for a deadline; what is written stays; what is finished goes.
    let [greedy, modest] = ["greedy", "modest"].map(spec_of);
    assert_eq!(
        (&greedy["activeDeadlineSeconds"], &greedy["ttlSecondsAfterFinished"]),
        (&Value::Null, &json!(86_400))
    );
    assert_eq!(modest["activeDeadlineSeconds"], 120);
    stage.end();
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: containers that run for as long as they are let"]
async fn a_job_ends_when_its_deadline_passes_and_goes_when_its_time_is_over() {
    let Some(stage) = Stage::enter().await else { return };
    let lab = stage.lab;
    let ml = lab.namespace("ml");
    let job_of = |name: &str| get(lab, &["-n", ml.name(), "job", name]);
    let pods_of = |name: &str| {
        ml.kubectl(&["get", "pods", &format!("--selector=job-name={name}"), "--output=name"]).ok()
    };
    let controller = stage.controller().await;
    let more = json!({"jobs": {"activeDeadlineSeconds": 3600, "ttlSecondsAfterFinished": 60},
        "limits": {"default": {"cpu": "100m", "memory": "32Mi"}}});
    let domain = Domain::new(lab, ml.name(), "Enforce", &more);
    domain.settled();
    stage.acts(&ml);
    let long = ["sleep", "600"];
    until("Jobs are filled in", ACTS, || {
        stage
            .dry_run(ml.name(), &job("dry", &long, &json!({})))
            .ok()
            .contains("activeDeadlineSeconds")
            .then_some(())
    });
    create(&ml, &job("silent", &long, &json!({}))).ok();
    create(&ml, &job("short", &long, &json!({"activeDeadlineSeconds": 4}))).ok();
    create(&ml, &job("done", &["sleep", "0"], &json!({"ttlSecondsAfterFinished": 2}))).ok();
    let filled = job_of("silent").unwrap()["spec"].clone();
    assert_eq!(
        (&filled["activeDeadlineSeconds"], &filled["ttlSecondsAfterFinished"]),
        (&json!(3600), &json!(60))
    );

    // It ran, and its container is no longer there.
    let failed = until("the deadline passes", ACTS, || {
        let conditions = job_of("short")?["status"]["conditions"].as_array()?.clone();
        conditions.into_iter().find(|it| it["type"] == "Failed" && it["status"] == "True")
    });
    assert_eq!(failed["reason"], "DeadlineExceeded", "{failed}");
    let short = job_of("short").unwrap();
    assert!(short["status"]["startTime"].is_string() && short["status"]["failed"] == 1, "{short}");
    until("its pod is gone", ACTS, || pods_of("short").is_empty().then_some(()));

    until("what is finished goes, with its pod", ACTS, || {
        (job_of("done").is_none() && pods_of("done").is_empty()).then_some(())
    });
    // And nobody else went with them.
    assert_eq!(job_of("silent").unwrap()["status"]["active"], 1);
    stage.end();
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: beside the others of this lab"]
async fn a_job_without_a_deadline_gets_one_or_is_told_to_name_one_as_its_tier_says() {
    let Some(stage) = Stage::enter().await else { return };
    let tiers = [
        ("Baseline", json!(3600)),
        ("Restricted", json!(3600)),
        ("Restricted", Value::Null),
        ("Sealed", Value::Null),
    ];
    let namespaces = tiers.each_ref().map(|_| stage.lab.namespace("jobs"));
    let silent = job("silent", &["sleep", "0"], &json!({}));
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": silent["spec"]}}});
    let deadline = |done: ringfence_lab::Done| {
        let stored: Value = serde_json::from_str(&done.ok()).unwrap();
        stored["spec"]["activeDeadlineSeconds"].clone()
    };
    for namespace in &namespaces {
        assert_eq!(deadline(stage.dry_run(namespace.name(), &silent)), Value::Null);
        stage.dry_run(namespace.name(), &cron).ok();
    }

    let controller = stage.controller().await;
    let domains = std::array::from_fn::<_, 4, _>(|place| {
        let (tier, seconds) = &tiers[place];
        let more = json!({"tier": tier, "jobs": {"activeDeadlineSeconds": seconds}});
        Domain::new(stage.lab, namespaces[place].name(), "Enforce", &more)
    });
    for ((domain, namespace), (tier, wanted)) in domains.iter().zip(&namespaces).zip(tiers) {
        domain.settled();
        let dry = |object: &Value| stage.dry_run(namespace.name(), object);
        if !wanted.is_null() {
            until(tier, ACTS, || (deadline(dry(&silent)) == wanted).then_some(()));
            continue;
        }
        let said = until(tier, ACTS, || Some(dry(&silent)).filter(|done| !done.is_ok())).refused();
        let words = "RF-RUN-013 spec.activeDeadlineSeconds: the Job may hold its GPUs forever. Fix: set \
                     activeDeadlineSeconds, or have jobs.activeDeadlineSeconds set in the SecurityDomain.";
        assert!(
            said.contains("jobs.batch \"silent\" is forbidden") && said.contains(words),
            "{tier}: {said}"
        );
        let said = dry(&cron).refused();
        assert!(said.contains(words), "{tier}: {said}");
        let own = job("own", &["sleep", "0"], &json!({"activeDeadlineSeconds": 60}));
        assert_eq!(deadline(dry(&own)), json!(60), "{tier}");
    }
    stage.end();
    controller.end().await;
}
