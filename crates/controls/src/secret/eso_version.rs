//! RF-SEC-006: one External Secrets object in, a version that its operator no longer serves out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::is_cluster_scoped;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// An ExternalSecret in `v1beta1` is refused by a current operator: the secret never arrives, and a hand-made one does.
///
/// ## What it sees
/// ExternalSecret, SecretStore, ClusterSecretStore and ClusterExternalSecret in `v1beta1` or older, in namespaces with
/// AI workloads and for the whole cluster. PushSecret and the generators are served as `v1alpha1` and are not judged.
///
/// ## Why it matters for AI
/// External Secrets stopped serving `v1beta1` with 0.17: the API server answers "no matches for kind". The usual way
/// out is a Secret typed by hand with the provider's key, which then lives in somebody's shell history and is never
/// rotated; or an operator that is kept at an old version, without its security fixes.
///
/// ## Bad
/// ```yaml
/// apiVersion: external-secrets.io/v1beta1
/// kind: ExternalSecret
/// ```
///
/// ## Good
/// ```yaml
/// apiVersion: external-secrets.io/v1
/// kind: ExternalSecret
/// ```
///
/// ## Fix and its side effects
/// Write `external-secrets.io/v1`: these kinds have the same fields there. `v1` is served since 0.16, so upgrade the
/// operator to 0.16 first, apply, then go on. Stored objects of old versions have to be rewritten before 0.17.
///
/// ## When it is unknown
/// Never: the version is in the object itself.
///
/// ## References
/// - guide: G24, H3
/// - NIST 800-53r5: IA-5
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Sec, 6),
        slug: "eso-version",
        title: "External Secrets object in a version that is no longer served",
        risk: "the operator refuses it, so keys are copied by hand into Secrets that nobody rotates",
        cure: "write `apiVersion: external-secrets.io/v1`",
        severity: Severity::Medium,
        fix: FixClass::Safe,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "G24" },
            Reference { framework: "guide", version: "1", id: "H3" },
            Reference { framework: "NIST 800-53", version: "r5", id: "IA-5" },
        ],
    },
    check: Check::Object(
        &[
            ("external-secrets.io", "ClusterExternalSecret"),
            ("external-secrets.io", "ClusterSecretStore"),
            ("external-secrets.io", "ExternalSecret"),
            ("external-secrets.io", "SecretStore"),
        ],
        check,
    ),
};

fn check(cx: &Cx<'_>, _id: ObjectId, object: &Object, results: &mut Results<'_>) {
    if !serves_ai(cx, object) {
        results.not_applicable();
        return;
    }
    if !matches!(object.version(), "v1beta1" | "v1alpha1") {
        return;
    }
    let message = format!("is {}, not served since 0.17", object.version());
    results.fail(match object.body().get("apiVersion") {
        Some(at) => Hit::at(object, at, message),
        // An item of a list that says it once for all.
        None => Hit::absent(object, message),
    });
}

/// Elsewhere it is general hygiene.
fn serves_ai(cx: &Cx<'_>, object: &Object) -> bool {
    if is_cluster_scoped(object.group(), &object.kind) {
        return cx.has_ai();
    }
    let namespace = cx.inventory.namespaces.named(object.namespace.as_deref());
    namespace.is_some_and(|namespace| cx.inventory.is_ai_namespace(namespace))
}

#[cfg(test)]
mod tests {
    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_version() {
        insta::assert_snapshot!(one_line("eso-version", "bad"), @"MEDIUM RF-SEC-006 SecretStore/ml/vault: is v1beta1, not served since 0.17");
    }

    #[test]
    fn good_fixture_has_a_push_secret() {
        insta::assert_snapshot!(one_line("eso-version", "good"), @"");
    }

    fn beside_ray(text: &str) -> usize {
        let ray = "---
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec: {headGroupSpec: {template: {spec: {containers: [{name: h, image: ray}]}}}}
";
        judged("RF-SEC-006", &format!("{text}{ray}")).len()
    }

    #[test]
    fn old_versions_count_where_ai_is_and_for_the_whole_cluster() {
        let object = |kind: &str, version: &str, namespace: &str| {
            format!(
                "apiVersion: external-secrets.io/{version}\nkind: {kind}\nmetadata: {{name: x{namespace}}}\nspec: {{}}\n"
            )
        };
        assert_eq!(beside_ray(&object("ExternalSecret", "v1beta1", ", namespace: ml")), 1);
        assert_eq!(beside_ray(&object("ExternalSecret", "v1alpha1", ", namespace: ml")), 1);
        assert_eq!(beside_ray(&object("ExternalSecret", "v1", ", namespace: ml")), 0);
        assert_eq!(beside_ray(&object("ExternalSecret", "v1beta1", ", namespace: web")), 0);
        assert_eq!(beside_ray(&object("ClusterSecretStore", "v1beta1", "")), 1);
        assert_eq!(beside_ray(&object("PushSecret", "v1alpha1", ", namespace: ml")), 0);
    }

    #[test]
    fn an_object_inside_another_and_one_of_a_list_count() {
        let graph = "apiVersion: kro.run/v1alpha1
kind: ResourceGraphDefinition
metadata: {name: g, namespace: ml}
spec:
  resources:
  - id: s
    template: {apiVersion: external-secrets.io/v1beta1, kind: ExternalSecret, metadata: {name: x, namespace: ml}, spec: {a: {}}}
";
        assert_eq!(beside_ray(graph), 1);
        let list = "apiVersion: external-secrets.io/v1beta1
kind: ExternalSecretList
items:
- {metadata: {name: x, namespace: ml}, spec: {}}
";
        assert_eq!(beside_ray(list), 1);
    }

    #[test]
    fn another_project_of_that_version_is_left_alone() {
        assert_eq!(
            beside_ray(
                "apiVersion: secrets.example/v1beta1\nkind: ExternalSecret\nmetadata: {name: x, namespace: ml}\n"
            ),
            0
        );
    }
}
