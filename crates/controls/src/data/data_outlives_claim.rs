//! RF-DATA-005: one class, volume, claim or snapshot in, AI data that stays after its owner deleted it out.

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::yaml::Value;

use crate::claims::Claim;
use crate::claims::Use;
use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// Data that stays after its claim is deleted stays for good: nobody owns it, nobody looks for it.
///
/// ## What it sees
/// `reclaimPolicy: Retain` of a StorageClass, `persistentVolumeReclaimPolicy: Retain` of a PersistentVolume (which is
/// also what an unset field means there) and `deletionPolicy: Retain` of a VolumeSnapshotClass, when AI data is behind
/// them: claims that an AI workload mounts, claims and snapshots in its namespace, claim templates of StatefulSets,
/// Workflows and ephemeral volumes. A class that no claim of the set asks for is judged too, with medium confidence,
/// when the set holds AI workloads.
///
/// ## Why it matters for AI
/// Training sets hold what people wrote, indexes hold it again as text and vectors, checkpoints have learnt it. A
/// team deletes the claim, ticks "data destroyed", and the volume waits in state Released: whoever may create a
/// PersistentVolume binds it and reads everything.
///
/// ## Bad
/// ```yaml
/// kind: StorageClass
/// metadata: {name: training-data}
/// provisioner: ebs.csi.aws.com
/// reclaimPolicy: Retain
/// ```
///
/// ## Good
/// ```yaml
/// kind: StorageClass
/// metadata: {name: training-data}
/// provisioner: ebs.csi.aws.com
/// reclaimPolicy: Delete
/// ```
///
/// ## Fix and its side effects
/// Set the policy to `Delete`. `reclaimPolicy` of a StorageClass cannot be changed in place: create the class anew, and
/// set the policy of volumes that exist (`kubectl patch pv`), they keep the one they were made with. From then on
/// deleting a claim deletes its data: take a backup of what must survive first, encrypted and with an end. Volumes that
/// were made by hand (NFS, local) cannot be deleted by the cluster: they need a procedure.
///
/// ## When it is unknown
/// The class or volume that a claim asks for is not in the set; it is named.
///
/// ## References
/// - guide: G38
/// - NIST SP 800-53 rev. 5: MP-6
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Data, 5),
        slug: "data-outlives-claim",
        title: "AI data stays after its claim is deleted",
        risk: "the volume of a deleted claim keeps training data and checkpoints, and whoever may create a PersistentVolume binds and reads it",
        cure: "set the policy to `Delete`, back up what must survive, and set it on the volumes that exist",
        severity: Severity::Medium,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[("", "PersistentVolumeClaim")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G38" },
            Reference { framework: "NIST SP 800-53", version: "rev. 5", id: "MP-6" },
        ],
    },
    check: Check::Object(
        &[
            ("storage.k8s.io", "StorageClass"),
            ("", "PersistentVolume"),
            ("snapshot.storage.k8s.io", "VolumeSnapshotClass"),
            ("", "PersistentVolumeClaim"),
            ("apps", "StatefulSet"),
            ("argoproj.io", "Workflow"),
            ("argoproj.io", "CronWorkflow"),
            ("snapshot.storage.k8s.io", "VolumeSnapshot"),
        ],
        check,
    ),
};

/// Claims listed as evidence; the class is the root cause, and a hundred claims say no more than twenty.
const MAX_CLAIMS: usize = 20;

fn check(cx: &Cx<'_>, id: ObjectId, object: &Object, results: &mut Results<'_>) {
    let (policy, message) = match &*object.kind {
        "StorageClass" => ("reclaimPolicy", "keeps AI volumes after their claim is gone"),
        "VolumeSnapshotClass" => ("deletionPolicy", "keeps AI snapshots after they are deleted"),
        "PersistentVolume" => ("spec.persistentVolumeReclaimPolicy", "keeps AI data after its claim is gone"),
        _ => return claims(cx, id, object, results),
    };
    let users = match &*object.kind {
        "PersistentVolume" => cx.claims().use_of_volume(object),
        _ => cx.claims().use_of_class(object),
    };
    if let (Use::Nobody, Some(gap)) = (&users, cx.inventory.sight.gap("", "PersistentVolumeClaim")) {
        return results.unknown(object, None, format!("who uses it: {gap}"));
    }
    let (claims, confidence) = match users {
        Use::Ai(claims) => (claims, Confidence::High),
        Use::Nobody if cx.has_ai() => (Vec::new(), Confidence::Medium),
        Use::Nobody | Use::Others => return results.not_applicable(),
    };
    let keys: Vec<&str> = policy.split('.').collect();
    let hit = match object.body().at(&keys) {
        Some(value) if value.text() == Some("Retain") => Hit::at(object, value, message),
        Some(value) if is_open(value) => {
            return results.unknown(object, Some(value), format!("the value of `{policy}` is a variable"));
        }
        // A volume made by hand is kept unless it says otherwise; classes delete.
        None if &*object.kind == "PersistentVolume" => Hit::absent(object, message).missing(policy),
        Some(_) | None => return,
    };
    let hit = claims
        .iter()
        .take(MAX_CLAIMS)
        .fold(hit.confidence(confidence), |hit, claim| supported(cx, hit, claim));
    results.fail(hit);
}

fn supported<'i>(cx: &Cx<'i>, hit: Hit<'i>, claim: &Claim) -> Hit<'i> {
    let object = cx.inventory.object(claim.object);
    let what = match &*object.kind {
        "VolumeSnapshot" => "a snapshot of AI data",
        "PersistentVolumeClaim" => "a claim for AI data",
        _ => "makes claims for AI data",
    };
    hit.supported_by_fact(object, what)
}

/// Claims and snapshots are judged at their class or volume; they speak only when that is missing.
fn claims(cx: &Cx<'_>, id: ObjectId, object: &Object, results: &mut Results<'_>) {
    let mut all_given = true;
    for claim in cx.claims().of_object(id).filter(|claim| claim.ai) {
        if let Some(fact) = cx.claims().missing(claim, object) {
            results.unknown(object, Some(object.value(claim.at)), fact);
            all_given = false;
        }
    }
    if all_given {
        results.not_applicable();
    }
}

fn is_open(value: Value<'_>) -> bool {
    value.text().is_some_and(|text| text.contains("{{") || text.contains('$'))
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Confidence;
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    const JOB: &str = "apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: t, namespace: ml}
spec:
  pytorchReplicaSpecs:
    Worker:
      template:
        spec:
          containers:
          - {name: pytorch, image: x, resources: {limits: {nvidia.com/gpu: 1}}}
          volumes:
          - {name: data, persistentVolumeClaim: {claimName: tickets}}
---
";

    fn claim(namespace: &str, name: &str, class: &str) -> String {
        format!(
            "apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}, {class}}}
---
"
        )
    }

    fn class(name: &str, default: bool, policy: &str) -> String {
        format!(
            "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: {name}, annotations: {{storageclass.kubernetes.io/is-default-class: '{default}'}}}}
provisioner: ebs.csi.aws.com
reclaimPolicy: {policy}
---
"
        )
    }

    #[test]
    fn bad_fixture_fails_at_the_class() {
        insta::assert_snapshot!(one_line("data-outlives-claim", "bad"), @"MEDIUM RF-DATA-005 StorageClass/ml-encrypted: keeps AI volumes after their claim is gone");
    }

    #[test]
    fn a_claim_of_a_class_nobody_gave_is_unknown() {
        insta::assert_snapshot!(one_line("data-outlives-claim", "unknown"), @"UNKNOWN RF-DATA-005 PersistentVolumeClaim/ml/index: StorageClass ml-encrypted is not in the set");
    }

    #[test]
    fn the_claims_of_a_pytorch_job_name_its_classes() {
        let text = [JOB, &claim("ml", "tickets", "storageClassName: keep"), &class("keep", false, "Retain")]
            .concat();
        let findings = judged("RF-DATA-005", &text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].confidence, Confidence::High);
        assert_eq!(findings[0].evidence.last().unwrap().resource.name, "tickets");
    }

    #[test]
    fn the_default_class_serves_claims_that_name_none() {
        let text = [JOB, &claim("ml", "tickets", ""), &class("standard", true, "Retain")].concat();
        assert_eq!(judged("RF-DATA-005", &text).len(), 1);
        let text = [JOB, &claim("ml", "tickets", ""), &class("other", false, "Delete")].concat();
        let findings = judged("RF-DATA-005", &text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].message, "no default StorageClass is in the set");
    }

    #[test]
    fn a_class_that_only_others_use_is_not_about_ai_and_one_nobody_uses_is_less_sure() {
        let others =
            [JOB, &claim("shop", "orders", "storageClassName: keep"), &class("keep", false, "Retain")];
        assert_eq!(judged("RF-DATA-005", &others.concat()).len(), 0);
        let nobody = [JOB, &class("keep", false, "Retain")].concat();
        let findings = judged("RF-DATA-005", &nobody);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].confidence, Confidence::Medium);
        assert_eq!(judged("RF-DATA-005", &class("keep", false, "Retain")).len(), 0);
    }

    #[test]
    fn a_bound_volume_outranks_its_class_and_keeps_by_default() {
        let volume = |policy: &str| {
            format!(
                "apiVersion: v1
kind: PersistentVolume
metadata: {{name: pv-1}}
spec: {{claimRef: {{namespace: ml, name: tickets}}, nfs: {{server: s, path: /x}}{policy}}}
"
            )
        };
        for (policy, expected) in [
            ("", 1),
            (", persistentVolumeReclaimPolicy: Retain", 1),
            (", persistentVolumeReclaimPolicy: Delete", 0),
        ] {
            let claim = claim("ml", "tickets", "storageClassName: ''");
            let findings = judged("RF-DATA-005", &[JOB, &claim, &volume(policy)].concat());
            assert_eq!(findings.len(), expected, "{policy}: {findings:?}");
        }
        let named = claim("ml", "tickets", "storageClassName: '', volumeName: pv-2");
        let findings = judged("RF-DATA-005", &[JOB, &named].concat());
        assert_eq!(findings[0].outcome, Outcome::Unknown);
        assert_eq!(findings[0].message, "PersistentVolume pv-2 is not in the set");
    }

    #[test]
    fn a_snapshot_class_counts_through_its_snapshots() {
        let snapshot = |namespace: &str| {
            format!(
                "apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotClass
metadata: {{name: weekly}}
driver: ebs.csi.aws.com
deletionPolicy: Retain
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {{name: s, namespace: {namespace}}}
spec: {{volumeSnapshotClassName: weekly, source: {{persistentVolumeClaimName: tickets}}}}
"
            )
        };
        let findings = judged("RF-DATA-005", &[JOB, &snapshot("ml")].concat());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].message, "keeps AI snapshots after they are deleted");
        assert_eq!(judged("RF-DATA-005", &[JOB, &snapshot("shop")].concat()).len(), 0);
    }

    #[test]
    fn templates_of_a_stateful_set_are_claims() {
        let text = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: trainer, namespace: ml}
spec:
  template:
    spec:
      containers:
      - {name: c, image: x, resources: {limits: {nvidia.com/gpu: 1}}}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {storageClassName: fast}
";
        let findings = judged("RF-DATA-005", text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].message, "StorageClass fast is not in the set");
        assert_eq!(findings[0].field, "spec.volumeClaimTemplates[name=data].spec.storageClassName");
    }
}
