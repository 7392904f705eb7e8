//! Room `domain`: a spec in, the same with every default filled and every number parsed out, or what is wrong with it.

use std::collections::BTreeSet;

use ringfence_finding::ControlId;
use serde::Serialize;

use crate::cidr::Cidr;
use crate::cidr::CidrError;
use crate::desired::peer;
use crate::spec::Internet;
use crate::spec::Level;
use crate::spec::Mountable;
use crate::spec::SecurityDomainSpec;
use crate::spec::Tier;

/// A spec without gaps.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// As written.
    pub spec: SecurityDomainSpec,
    /// Whether destinations on the internet may be declared.
    pub internet: Internet,
    /// Pod Security level that is refused below.
    pub pod_security: Level,
    /// What workloads may use. None: no limit.
    pub mountable: Option<Mountable>,
    /// Whether a Job without a deadline is refused where none is given to it.
    pub deadline_required: bool,
    /// Whether Services may open nodes or load balancers.
    pub services_closed: bool,
}

/// Something in a spec or in the cluster that keeps a promise from being kept.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Path of the field, such as `spec.network.egress[name=hub].to.cidr`.
    pub field: String,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub cure: String,
    /// Control that cannot hold because of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlId>,
}

impl Problem {
    /// A problem of a field.
    pub(crate) fn new(field: impl Into<String>, cause: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { field: field.into(), cause: cause.into(), cure: cure.into(), control: None }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}. Fix: {}.", self.field, self.cause, self.cure)
    }
}

/// Fills in what depends on the tier.
///
/// # Errors
/// What a schema cannot see: ranges that are none, public destinations where the internet is closed.
pub fn resolve(spec: &SecurityDomainSpec) -> Result<Resolved, Vec<Problem>> {
    let sealed = spec.tier == Tier::Sealed;
    let internet = spec.network.internet.unwrap_or(if sealed { Internet::Never } else { Internet::Declared });
    let default = if sealed { Level::Restricted } else { Level::Baseline };
    let pod_security = spec.pod_security.enforce.unwrap_or(default);
    let mut problems = problems(spec, internet);
    if !spec.pod_security.allow_devices.is_empty() && pod_security > Level::Privileged {
        problems.push(Problem::new(
            "spec.podSecurity.allowDevices",
            format!("Pod Security level {} refuses every hostPath, devices too", pod_security.label()),
            "set spec.podSecurity.enforce: privileged (the rules of this domain still refuse what leads out of a container), \
             or leave devices to a device plugin",
        ));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Resolved {
        spec: spec.clone(),
        internet,
        pod_security,
        mountable: mountable(spec),
        deadline_required: spec.tier >= Tier::Restricted && spec.jobs.active_deadline_seconds.is_none(),
        services_closed: spec.tier >= Tier::Restricted,
    })
}

/// The limit, with the domain's own secrets in it.
fn mountable(spec: &SecurityDomainSpec) -> Option<Mountable> {
    let mut mountable = match &spec.access.mountable {
        Some(given) => given.clone(),
        None if spec.tier >= Tier::Restricted => Mountable::default(),
        None => return None,
    };
    let own = spec.secrets.items.iter().map(|item| item.name.clone());
    mountable.secrets = own.chain(mountable.secrets).collect::<BTreeSet<_>>().into_iter().collect();
    let accounts = std::iter::once("default".to_owned()).chain(mountable.service_accounts);
    mountable.service_accounts = accounts.collect::<BTreeSet<_>>().into_iter().collect();
    mountable.claims.sort();
    Some(mountable)
}

fn problems(spec: &SecurityDomainSpec, internet: Internet) -> Vec<Problem> {
    let network = &spec.network;
    let internal = network.internal_cidrs.iter().filter_map(|cidr| {
        let field = format!("spec.network.internalCIDRs[{cidr}]");
        match cidr.parse::<Cidr>() {
            Err(cause) => Some(not_a_range(field, &cause, "10.20.0.0/16")),
            Ok(range) if !range.is_private() => Some(Problem::new(
                field,
                "the range is not private",
                "declare public destinations in spec.network.egress, each with its ports",
            )),
            Ok(range) if network.block_metadata && peer::is_metadata(range) => Some(metadata(field)),
            Ok(_) => None,
        }
    });
    let egress = network.egress.iter().filter_map(|egress| {
        let cidr = egress.to.cidr.as_ref()?;
        let field = format!("spec.network.egress[name={}].to.cidr", egress.name);
        match cidr.parse::<Cidr>() {
            Err(cause) => Some(not_a_range(field, &cause, "192.0.2.0/24")),
            Ok(range) if network.block_metadata && peer::is_metadata(range) => Some(metadata(field)),
            Ok(range) if internet == Internet::Never && !range.is_private() => Some(Problem::new(
                field,
                "spec.network.internet is Never and the range is not private",
                "remove it, or set spec.network.internet to Declared (tier Sealed cannot)",
            )),
            Ok(_) => None,
        }
    });
    internal.chain(egress).collect()
}

fn metadata(field: String) -> Problem {
    Problem::new(
        field,
        "the range is a cloud's metadata address, and spec.network.blockMetadata keeps those out",
        "remove it, or set spec.network.blockMetadata: false",
    )
}

fn not_a_range(field: String, cause: &CidrError, example: &str) -> Problem {
    Problem::new(field, cause.to_string(), format!("write a range such as {example}"))
}
