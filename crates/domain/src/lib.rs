//! Room `domain`: SecurityDomains and facts about a cluster in, the exact objects that fence AI infrastructure out. Pure:
//! no client, clock, randomness or environment.
//!
//! `SecurityDomain -> resolve -> desired(facts) -> compare(live) -> write | nothing`
#![forbid(unsafe_code)]

mod cidr;
mod compare;
mod definition;
pub mod desired;
mod facts;
mod install;
pub mod names;
mod object;
mod policy;
mod quantity;
mod rule;
#[expect(
    unreachable_pub,
    clippy::struct_excessive_bools,
    reason = "KubeSchema copies each struct; switches of people"
)]
pub mod spec;
mod tier;
mod yaml;

pub use compare::Drift;
pub use compare::compare;
pub use definition::definition;
pub use desired::Asked;
pub use desired::Desired;
pub use desired::Outcome;
pub use desired::desired;
pub use facts::ClusterFacts;
pub use facts::Dns;
pub use facts::Endpoint;
pub use facts::NamespaceFact;
pub use facts::NodeFact;
pub use facts::OperatorIdentity;
pub use facts::ServiceFact;
pub use install::Image;
pub use install::Install;
pub use install::install;
pub use object::DesiredObject;
pub use object::ObjectKey;
pub use object::Rank;
pub use object::Write;
pub use policy::Rules;
pub use spec::SecurityDomain;
pub use spec::SecurityDomainSpec;
pub use tier::Problem;
pub use tier::Resolved;
pub use tier::resolve;
pub use yaml::yaml;
