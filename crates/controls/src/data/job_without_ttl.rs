//! RF-DATA-011: one job of any kind in, AI jobs whose finished pods and their volumes nobody removes out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Base;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::cx::is_workload;
use crate::hit::Results;
use crate::jobs::JOBS;
use crate::jobs::absent;
use crate::jobs::workflow_template;

/// The data of a finished job lives as long as its pods, and nobody removes those.
///
/// ## What it sees
/// AI jobs without a time after which they are removed, where each kind has it: `ttlSecondsAfterFinished` in the spec of
/// Job, of CronJob's jobs and of JobSet, in `spec.runPolicy` of Kubeflow's training kinds, in the job template behind a
/// TrainJob; `ttlStrategy` of Argo Workflows. What removes the pods otherwise passes too: `cleanPodPolicy: All`, Argo's
/// `podGC` on completion, a CronJob that keeps no history. A RayJob takes its cluster with it only by
/// `shutdownAfterJobFinishes`; its TTL says when.
///
/// ## Why it matters for AI
/// Generic ephemeral volumes and `emptyDir` are the right place for training data because they go with the pod. A pod
/// that has finished and was not removed keeps them: patient records, tickets, checkpoints stay on disk for months, and
/// whoever may create a debug container or read the node's disk has them.
///
/// ## Bad
/// ```yaml
/// kind: Job
/// spec:
///   activeDeadlineSeconds: 21600
/// ```
///
/// ## Good
/// ```yaml
/// kind: Job
/// spec:
///   activeDeadlineSeconds: 21600
///   ttlSecondsAfterFinished: 3600
/// ```
///
/// ## Fix and its side effects
/// Set it to the time that somebody needs to read the logs, an hour or a day. The job, its pods and their logs are gone
/// then: send logs and metrics elsewhere, and keep checkpoints on a claim or in the object store.
///
/// ## When it is unknown
/// The value is a variable; the runtime of a TrainJob or the template of a Workflow is not in the set.
///
/// ## References
/// - guide: G38
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Data, 11),
        slug: "job-without-ttl",
        title: "finished AI job is never removed",
        risk: "training data and checkpoints stay on the volumes of pods that finished long ago",
        cure: "set `ttlSecondsAfterFinished` to the time that somebody needs to read the logs",
        severity: Severity::Medium,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[Reference { framework: "guide", version: "1", id: "G38" }],
    },
    check: Check::Object(JOBS, check),
};

const TTL: &str = "ttlSecondsAfterFinished";
const MESSAGE: &str = "keeps the data of finished pods";

fn check(cx: &Cx<'_>, id: ObjectId, object: &Object, results: &mut Results<'_>) {
    let Some(spec) = object.spec() else { return results.not_applicable() };
    let template = workflow_template(cx, object, spec);
    let inherited = template.as_ref().and_then(|template| template.as_ref().ok()).copied();
    let mut pods = std::iter::once(id).chain(inherited).flat_map(|id| cx.inventory.pods_of(id));
    if !pods.any(is_workload) {
        return results.not_applicable();
    }
    // Where the kind keeps it, below its spec.
    let path: &[&str] = match &*object.kind {
        "CronJob" => &["jobTemplate", "spec"],
        "CronWorkflow" => &["workflowSpec"],
        "RayCronJob" => &["jobTemplate"],
        "Job" | "JobSet" | "RayJob" | "TrainJob" | "Workflow" => &[],
        _ => &["runPolicy"],
    };
    let holder = spec.at(path);
    let lasting = match &*object.kind {
        "TrainJob" => return train_job(cx, id, object, spec, results),
        "Workflow" | "CronWorkflow" => {
            let of_template = inherited.and_then(|id| cx.inventory.object(id).spec());
            let kept = holder.and_then(workflow).or_else(|| of_template.and_then(workflow));
            if let (None, Some(Err(fact))) = (kept, template) {
                return results.unknown(object, holder, fact);
            }
            Lasting { kept, field: "ttlStrategy" }
        }
        "RayJob" | "RayCronJob" => Lasting {
            kept: holder
                .and_then(|holder| holder.get("shutdownAfterJobFinishes"))
                .filter(|value| value.means_bool() != Some(false)),
            field: "shutdownAfterJobFinishes",
        },
        "CronJob" if keeps_no_history(spec) => return,
        _ if cleans_pods(holder) => return,
        _ => Lasting { kept: holder.and_then(|holder| holder.get(TTL)), field: TTL },
    };
    match lasting.kept {
        Some(value) => settle(object, value, results),
        None => results.fail(absent(object, path, lasting.field, MESSAGE)),
    }
}

/// What ends a job's stay.
struct Lasting<'i> {
    /// The value that does.
    kept: Option<Value<'i>>,
    /// The field that would.
    field: &'static str,
}

/// A value is there; whether it is one is what remains.
fn settle(object: &Object, value: Value<'_>, results: &mut Results<'_>) {
    let is_variable = value.text().is_some_and(|text| text.contains('$') || text.contains("{{"));
    if is_variable {
        results.unknown(object, Some(value), "when this job is removed is a variable");
    }
}

/// A TTL for every end, or the removal of pods when they or the workflow end.
fn workflow(spec: Value<'_>) -> Option<Value<'_>> {
    let after = |name: &str| spec.get("ttlStrategy")?.get(name);
    let both = after("secondsAfterSuccess").filter(|_| after("secondsAfterFailure").is_some());
    let collected = spec.at(&["podGC", "strategy"]);
    let collected =
        collected.filter(|one| matches!(one.text(), Some("OnPodCompletion" | "OnWorkflowCompletion")));
    after("secondsAfterCompletion").or(both).or(collected)
}

/// The API server's defaults are three and one.
fn keeps_no_history(spec: Value<'_>) -> bool {
    let limits = ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"];
    limits.iter().all(|limit| spec.get(limit).and_then(Value::as_i64) == Some(0))
}

/// Kubeflow's `runPolicy`: pods of every state are removed when the job ends.
fn cleans_pods(holder: Option<Value<'_>>) -> bool {
    holder.and_then(|policy| policy.str_at("cleanPodPolicy")) == Some("All")
}

/// A TrainJob takes its JobSet from its runtime; both may say it.
fn train_job(cx: &Cx<'_>, id: ObjectId, object: &Object, spec: Value<'_>, results: &mut Results<'_>) {
    let patches = spec.get("runtimePatches").into_iter().flat_map(Value::items);
    let mut patched = patches.filter_map(|patch| patch.at(&["trainingRuntimeSpec", "template", "spec", TTL]));
    if let Some(value) = spec.get(TTL).or_else(|| patched.next()) {
        return settle(object, value, results);
    }
    for base in cx.inventory.joins().bases(id) {
        match base {
            Base::Missing { at, fact } => results.unknown(object, Some(object.value(*at)), fact.as_str()),
            Base::Given(runtime) => {
                let runtime = cx.inventory.object(*runtime);
                if let Some(value) = runtime.body().at(&["spec", "template", "spec", TTL]) {
                    settle(runtime, value, results);
                } else {
                    let hit = absent(runtime, &["template", "spec"], TTL, MESSAGE);
                    results.fail(hit.supported_by_fact(object, "is built on it"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Finding;
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    const TEMPLATE: &str =
        "{spec: {containers: [{name: c, image: x, resources: {limits: {nvidia.com/gpu: 1}}}]}}";

    fn run(api_version: &str, kind: &str, spec: &str) -> Vec<Finding> {
        let spec = spec.replace("TEMPLATE", TEMPLATE);
        let text = format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: j, namespace: ml}}\nspec: {spec}\n"
        );
        judged("RF-DATA-011", &text)
    }

    #[test]
    fn bad_fixture_fails_at_the_job() {
        insta::assert_snapshot!(one_line("job-without-ttl", "bad"), @"MEDIUM RF-DATA-011 Job/ml/train: keeps the data of finished pods");
    }

    #[test]
    fn unknown_fixture_names_the_variable() {
        insta::assert_snapshot!(one_line("job-without-ttl", "unknown"), @"UNKNOWN RF-DATA-011 Job/ml/train: when this job is removed is a variable");
    }

    #[test]
    fn every_kind_keeps_it_elsewhere() {
        let ray = "rayClusterSpec: {workerGroupSpecs: [{groupName: w, template: TEMPLATE}]}";
        let argo = "templates: [{name: t, container: {image: x, resources: {limits: {nvidia.com/gpu: 1}}}}]";
        let kubeflow = "pytorchReplicaSpecs: {Worker: {template: TEMPLATE}}";
        for (api_version, kind, spec, expected) in [
            ("batch/v1", "Job", "{template: TEMPLATE}", Some("spec.ttlSecondsAfterFinished")),
            ("batch/v1", "Job", "{ttlSecondsAfterFinished: 0, template: TEMPLATE}", None),
            (
                "batch/v1",
                "CronJob",
                "{jobTemplate: {spec: {template: TEMPLATE}}}",
                Some("spec.jobTemplate.spec.ttlSecondsAfterFinished"),
            ),
            (
                "batch/v1",
                "CronJob",
                "{successfulJobsHistoryLimit: 0, failedJobsHistoryLimit: 0, jobTemplate: {spec: {template: TEMPLATE}}}",
                None,
            ),
            (
                "kubeflow.org/v1",
                "PyTorchJob",
                &format!("{{{kubeflow}}}"),
                Some("spec.runPolicy.ttlSecondsAfterFinished"),
            ),
            (
                "kubeflow.org/v1",
                "PyTorchJob",
                &format!("{{runPolicy: {{cleanPodPolicy: All}}, {kubeflow}}}"),
                None,
            ),
            (
                "ray.io/v1",
                "RayJob",
                &format!("{{ttlSecondsAfterFinished: 60, {ray}}}"),
                Some("spec.shutdownAfterJobFinishes"),
            ),
            ("ray.io/v1", "RayJob", &format!("{{shutdownAfterJobFinishes: true, {ray}}}"), None),
            (
                "jobset.x-k8s.io/v1alpha2",
                "JobSet",
                "{replicatedJobs: [{name: a, template: {spec: {ttlSecondsAfterFinished: 60, template: TEMPLATE}}}]}",
                Some("spec.ttlSecondsAfterFinished"),
            ),
            ("argoproj.io/v1alpha1", "Workflow", &format!("{{{argo}}}"), Some("spec.ttlStrategy")),
            (
                "argoproj.io/v1alpha1",
                "Workflow",
                &format!("{{ttlStrategy: {{secondsAfterSuccess: 60}}, {argo}}}"),
                Some("spec.ttlStrategy"),
            ),
            (
                "argoproj.io/v1alpha1",
                "CronWorkflow",
                &format!("{{workflowSpec: {{podGC: {{strategy: OnWorkflowCompletion}}, {argo}}}}}"),
                None,
            ),
        ] {
            let findings = run(api_version, kind, spec);
            let field = findings.first().map(|finding| finding.field.as_str());
            assert_eq!(field, expected, "{kind} {spec}");
        }
    }

    #[test]
    fn a_train_job_is_judged_at_its_runtime() {
        let job = "apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: t, namespace: ml}
spec: {runtimeRef: {name: torch}, trainer: {image: x, resourcesPerNode: {limits: {nvidia.com/gpu: 1}}}}
";
        let runtime = |ttl: &str| {
            format!(
                "{job}---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {{name: torch}}
spec: {{template: {{spec: {{{ttl}replicatedJobs: [{{name: node, template: {{spec: {{template: {TEMPLATE}}}}}}}]}}}}}}
"
            )
        };
        let findings = judged("RF-DATA-011", &runtime(""));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].resource.as_ref().unwrap().kind, "ClusterTrainingRuntime");
        assert_eq!(findings[0].field, "spec.template.spec.ttlSecondsAfterFinished");
        assert_eq!(judged("RF-DATA-011", &runtime("ttlSecondsAfterFinished: 60, ")).len(), 0);
        assert_eq!(judged("RF-DATA-011", job)[0].outcome, Outcome::Unknown);
    }

    #[test]
    fn a_job_of_a_web_shop_is_not_judged() {
        let web = "{template: {spec: {containers: [{name: c, image: mailer}]}}}";
        assert_eq!(run("batch/v1", "Job", web).len(), 0);
    }
}
