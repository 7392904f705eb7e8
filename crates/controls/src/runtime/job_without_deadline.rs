//! RF-RUN-013: one job of any kind in, AI jobs that nothing ends out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Base;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::Pod;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::cx::is_workload;
use crate::hit::Hit;
use crate::hit::Results;
use crate::jobs::JOBS;
use crate::jobs::absent;
use crate::jobs::workflow_template;

/// A job without a deadline holds its GPUs until somebody notices.
///
/// ## What it sees
/// AI jobs without `activeDeadlineSeconds`, where each kind has it: Job and CronJob in the job's spec, Kubeflow's
/// training kinds in `spec.runPolicy`, RayJob and Argo Workflows in `spec`, JobSet in each child job, TrainJob in the
/// job template of its runtime. The label `kueue.x-k8s.io/max-exec-time-seconds` counts as a deadline.
///
/// ## Why it matters for AI
/// A hanging all-reduce looks like a training. A stolen account that starts a "training" mines until the bill comes. A
/// deadline caps both, in money: eight GPUs for six hours, not for a month.
///
/// ## Bad
/// ```yaml
/// kind: Job
/// spec:
///   backoffLimit: 2
/// ```
///
/// ## Good
/// ```yaml
/// kind: Job
/// spec:
///   backoffLimit: 2
///   activeDeadlineSeconds: 21600
/// ```
///
/// ## Fix and its side effects
/// Set it to a multiple of the longest run you expect, and write checkpoints: when the deadline passes, the pods are
/// killed, whatever they have computed. The time counts from the start of the job, retries included, and not while the
/// job is suspended in a queue.
///
/// ## When it is unknown
/// The value is a variable; the runtime of a TrainJob or the template of a Workflow is not in the set.
///
/// ## References
/// - guide: G45, H7
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Run, 13),
        slug: "job-without-deadline",
        title: "AI job without a deadline",
        risk: "a hanging or stolen job holds its GPUs until somebody notices the bill",
        cure: "set `activeDeadlineSeconds` to a multiple of the longest run you expect",
        severity: Severity::Medium,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "G45" },
            Reference { framework: "guide", version: "1", id: "H7" },
        ],
    },
    check: Check::Object(JOBS, check),
};

const DEADLINE: &str = "activeDeadlineSeconds";

/// Kueue ends a workload with this label, whatever its kind.
const KUEUE: &str = "kueue.x-k8s.io/max-exec-time-seconds";

fn check(cx: &Cx<'_>, id: ObjectId, object: &Object, results: &mut Results<'_>) {
    let (body, Some(spec)) = (object.body(), object.spec()) else { return results.not_applicable() };
    let template = workflow_template(cx, object, spec);
    let inherited = template.as_ref().and_then(|template| template.as_ref().ok());
    let ids = std::iter::once(id).chain(inherited.copied());
    let pods: Vec<Pod<'_>> =
        ids.flat_map(|id| cx.inventory.pods_of(id)).filter(|pod| is_workload(*pod)).collect();
    if pods.is_empty() {
        return results.not_applicable();
    }
    if body.at(&["metadata", "labels", KUEUE]).is_some() {
        return;
    }
    let message = if pods.iter().any(|pod| pod.needs_accelerator()) {
        "can hold its GPUs for ever"
    } else {
        "can run for ever"
    };
    // Where the kind keeps it, below its spec.
    let path: &[&str] = match &*object.kind {
        "CronJob" => {
            let template = spec.get("jobTemplate");
            if template.and_then(|template| template.at(&["metadata", "labels", KUEUE])).is_some() {
                return;
            }
            &["jobTemplate", "spec"]
        }
        "CronWorkflow" => &["workflowSpec"],
        "JobSet" => return child_jobs(object, spec, None, message, results),
        "RayCronJob" => &["jobTemplate"],
        "TrainJob" => return train_job(cx, id, object, message, results),
        "Job" | "RayJob" | "Workflow" => &[],
        _ => &["runPolicy"],
    };
    if let Some(value) = spec.at(path).and_then(|holder| holder.get(DEADLINE)) {
        return settle(object, value, results);
    }
    match template {
        Some(Err(fact)) => results.unknown(object, spec.at(path), fact),
        Some(Ok(template)) => {
            let template = cx.inventory.object(template);
            match template.spec().and_then(|spec| spec.get(DEADLINE)) {
                Some(value) => settle(template, value, results),
                None => results.fail(absent(object, path, DEADLINE, message)),
            }
        }
        None => results.fail(absent(object, path, DEADLINE, message)),
    }
}

/// A deadline is there; whether it is a number is what remains.
fn settle(object: &Object, value: Value<'_>, results: &mut Results<'_>) {
    if value.as_i64().is_none() {
        results.unknown(object, Some(value), "the deadline is a variable");
    }
}

/// A JobSet lives as long as any of its jobs. `user`: who takes them from a runtime.
fn child_jobs(
    object: &Object,
    spec: Value<'_>,
    user: Option<&Object>,
    message: &str,
    results: &mut Results<'_>,
) {
    for job in jobs(spec) {
        if let Some(value) = job.get(DEADLINE) {
            settle(object, value, results);
            continue;
        }
        let hit = Hit::at(object, job, message).missing(format!("{}.{DEADLINE}", object.field(job)));
        results.fail(match user {
            Some(user) => hit.supported_by_fact(user, "is built on it"),
            None => hit,
        });
    }
}

/// Specs of the child jobs of a JobSet's spec.
fn jobs(spec: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let children = spec.get("replicatedJobs").into_iter().flat_map(Value::items);
    children.filter_map(|child| child.at(&["template", "spec"]))
}

/// A TrainJob takes its job from its runtime: a deadline may stand in either, and is missing in the runtime.
fn train_job(cx: &Cx<'_>, id: ObjectId, object: &Object, message: &str, results: &mut Results<'_>) {
    if let Some(value) = object.spec().and_then(patched_deadline) {
        return settle(object, value, results);
    }
    for base in cx.inventory.joins().bases(id) {
        match base {
            Base::Missing { at, fact } => results.unknown(object, Some(object.value(*at)), fact.as_str()),
            Base::Given(runtime) => {
                let runtime = cx.inventory.object(*runtime);
                if let Some(spec) = runtime.body().at(&["spec", "template", "spec"]) {
                    child_jobs(runtime, spec, Some(object), message, results);
                }
            }
        }
    }
}

/// A deadline on the TrainJob itself, or in what it lays over the job template of its runtime.
fn patched_deadline(spec: Value<'_>) -> Option<Value<'_>> {
    let patches = spec.get("runtimePatches").into_iter().flat_map(Value::items);
    let mut deadlines = patches
        .filter_map(|patch| patch.at(&["trainingRuntimeSpec", "template", "spec"]))
        .flat_map(jobs)
        .filter_map(|job| job.get(DEADLINE));
    spec.get(DEADLINE).or_else(|| deadlines.next())
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Finding;
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    const TEMPLATE: &str =
        "{spec: {containers: [{name: c, image: x, resources: {limits: {nvidia.com/gpu: 1}}}]}}";

    fn run(api_version: &str, kind: &str, labels: &str, spec: &str) -> Vec<Finding> {
        let spec = spec.replace("TEMPLATE", TEMPLATE);
        let text = format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: j, namespace: ml, labels: {labels}}}\nspec: {spec}\n"
        );
        judged("RF-RUN-013", &text)
    }

    #[test]
    fn bad_fixture_fails_at_the_job() {
        insta::assert_snapshot!(one_line("job-without-deadline", "bad"), @"MEDIUM RF-RUN-013 Job/ml/train: can hold its GPUs for ever");
    }

    #[test]
    fn unknown_fixture_names_the_variable() {
        insta::assert_snapshot!(one_line("job-without-deadline", "unknown"), @"UNKNOWN RF-RUN-013 Job/ml/train: the deadline is a variable");
    }

    #[test]
    fn every_kind_keeps_it_elsewhere() {
        let at = |field: &'static str| vec![field];
        for (api_version, kind, spec, expected) in [
            ("batch/v1", "Job", "{template: TEMPLATE}", at("spec.activeDeadlineSeconds")),
            ("batch/v1", "Job", "{activeDeadlineSeconds: 60, template: TEMPLATE}", vec![]),
            (
                "batch/v1",
                "CronJob",
                "{jobTemplate: {spec: {template: TEMPLATE}}}",
                at("spec.jobTemplate.spec.activeDeadlineSeconds"),
            ),
            (
                "batch/v1",
                "CronJob",
                "{jobTemplate: {spec: {activeDeadlineSeconds: 60, template: TEMPLATE}}}",
                vec![],
            ),
            (
                "kubeflow.org/v1",
                "PyTorchJob",
                "{pytorchReplicaSpecs: {Worker: {template: TEMPLATE}}}",
                at("spec.runPolicy.activeDeadlineSeconds"),
            ),
            (
                "kubeflow.org/v1",
                "PyTorchJob",
                "{runPolicy: {activeDeadlineSeconds: 60}, pytorchReplicaSpecs: {Worker: {template: TEMPLATE}}}",
                vec![],
            ),
            (
                "ray.io/v1",
                "RayJob",
                "{rayClusterSpec: {workerGroupSpecs: [{groupName: w, template: TEMPLATE}]}}",
                at("spec.activeDeadlineSeconds"),
            ),
            (
                "jobset.x-k8s.io/v1alpha2",
                "JobSet",
                "{replicatedJobs: [{name: a, template: {spec: {template: TEMPLATE}}}, \
                 {name: b, template: {spec: {activeDeadlineSeconds: 60, template: TEMPLATE}}}]}",
                at("spec.replicatedJobs[name=a].template.spec.activeDeadlineSeconds"),
            ),
            (
                "argoproj.io/v1alpha1",
                "Workflow",
                "{templates: [{name: t, container: {image: x, resources: {limits: {nvidia.com/gpu: 1}}}}]}",
                at("spec.activeDeadlineSeconds"),
            ),
            (
                "argoproj.io/v1alpha1",
                "CronWorkflow",
                "{workflowSpec: {activeDeadlineSeconds: 60, templates: [{name: t, container: {image: x, \
                 resources: {limits: {nvidia.com/gpu: 1}}}}]}}",
                vec![],
            ),
        ] {
            let findings = run(api_version, kind, "{}", spec);
            let fields: Vec<_> = findings.iter().map(|finding| finding.field.as_str()).collect();
            assert_eq!(fields, expected, "{kind} {spec}");
        }
    }

    #[test]
    fn the_label_of_kueue_is_a_deadline() {
        let labels = "{kueue.x-k8s.io/max-exec-time-seconds: '60'}";
        assert_eq!(run("batch/v1", "Job", labels, "{template: TEMPLATE}").len(), 0);
        let job_template =
            format!("{{jobTemplate: {{metadata: {{labels: {labels}}}, spec: {{template: TEMPLATE}}}}}}");
        assert_eq!(run("batch/v1", "CronJob", "{}", &job_template).len(), 0);
    }

    #[test]
    fn a_job_of_a_web_shop_and_a_job_of_another_group_are_not_judged() {
        let web = "{template: {spec: {containers: [{name: c, image: mailer}]}}}";
        assert_eq!(run("batch/v1", "Job", "{}", web).len(), 0);
        assert_eq!(run("batch.volcano.sh/v1alpha1", "Job", "{}", "{tasks: [{template: TEMPLATE}]}").len(), 0);
    }

    const TRAIN_JOB: &str = "apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: t, namespace: ml}
spec: {runtimeRef: {name: torch}, trainer: {image: x, resourcesPerNode: {limits: {nvidia.com/gpu: 1}}}}
";

    #[test]
    fn a_train_job_is_judged_at_its_runtime() {
        let runtime = |deadline: &str| {
            format!(
                "---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {{name: torch}}
spec: {{template: {{spec: {{replicatedJobs: [{{name: node, template: {{spec: {{{deadline}template: {TEMPLATE}}}}}}}]}}}}}}
"
            )
        };
        let findings = judged("RF-RUN-013", &format!("{TRAIN_JOB}{}", runtime("")));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].resource.as_ref().unwrap().kind, "ClusterTrainingRuntime");
        assert_eq!(findings[0].evidence.last().unwrap().resource.name, "t");
        let findings =
            judged("RF-RUN-013", &format!("{TRAIN_JOB}{}", runtime("activeDeadlineSeconds: 60, ")));
        assert_eq!(findings.len(), 0, "{findings:?}");
    }

    #[test]
    fn a_train_job_whose_runtime_nobody_gave_is_unknown() {
        let findings = judged("RF-RUN-013", TRAIN_JOB);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].outcome, Outcome::Unknown);
        assert_eq!(findings[0].message, "ClusterTrainingRuntime torch is not in the set");
    }

    #[test]
    fn a_workflow_takes_the_deadline_of_its_template() {
        let workflow = "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: w, namespace: ml}
spec: {workflowTemplateRef: {name: t}}
";
        let template = |deadline: &str| {
            format!(
                "---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {{name: t, namespace: ml}}
spec: {{{deadline}templates: [{{name: a, container: {{image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}}}]}}
"
            )
        };
        let judge = |deadline: &str| judged("RF-RUN-013", &format!("{workflow}{}", template(deadline)));
        assert_eq!(judge("").len(), 1);
        assert_eq!(judge("activeDeadlineSeconds: 60, ").len(), 0);
    }

    #[test]
    fn a_job_inside_an_app_wrapper_is_judged_where_it_stands() {
        let findings = run(
            "workload.codeflare.dev/v1beta2",
            "AppWrapper",
            "{}",
            "{components: [{template: {apiVersion: batch/v1, kind: Job, metadata: {name: inner}, spec: {template: TEMPLATE}}}]}",
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].resource.as_ref().unwrap().name, "inner");
    }
}
