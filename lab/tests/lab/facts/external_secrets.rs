//! The guide's ExternalSecret is of a version that current releases of the operator no longer serve.

use ringfence_lab::Options;
use ringfence_lab::Tier;
use ringfence_lab::need;

use crate::facts::guide;

/// Same group, kind, scope and served versions as External Secrets 2.9.0; the schema is left open.
const REDUCED: &str = include_str!("../../../crds/external-secrets.yaml");

#[test]
#[ignore = "needs lab tier 1a: a lab of its own, for its CRD"]
fn v1beta1_is_refused_where_only_v1_is_served() {
    let lab = need!(private Options { tier: Some(Tier::Api), ..Options::default() });
    lab.install(REDUCED);
    lab.kubectl(&["create", "namespace", "ml-workloads"]).ok();
    let example = guide("external-secret.yaml");
    let said = lab.apply(&example).refused();
    assert!(
        said.contains("no matches for kind \"ExternalSecret\" in version \"external-secrets.io/v1beta1\""),
        "{said}"
    );
    lab.apply(&example.replace("external-secrets.io/v1beta1", "external-secrets.io/v1")).ok();
}
