//! Room `domain`: SecurityDomains and facts about a cluster in, the exact objects that fence AI infrastructure out. Pure:
//! no client, clock, randomness or environment.
//!
//! `SecurityDomain -> resolve -> desired(facts) -> compare(live) -> write | nothing`
//! `SecurityDomain, workloads -> simulate -> gate -> mode in force`
#![forbid(unsafe_code)]

mod body;
mod cidr;
mod compare;
mod defaults;
mod definition;
pub mod desired;
mod facts;
mod gate;
mod install;
pub mod names;
mod object;
mod policy;
mod quantity;
mod rule;
mod simulate;
#[expect(
    unreachable_pub,
    clippy::struct_excessive_bools,
    reason = "KubeSchema copies each struct; switches of people"
)]
pub mod spec;
mod tier;
mod yaml;

pub use body::Body;
pub use compare::Drift;
pub use compare::compare;
pub use compare::is_planted;
pub use definition::definition;
pub use desired::Asked;
pub use desired::Desired;
pub use desired::Outcome;
pub use desired::Scope;
pub use desired::desired;
pub use desired::namespaces;
pub use desired::own_level;
pub use facts::ClusterFacts;
pub use facts::Dns;
pub use facts::Endpoint;
pub use facts::NamespaceFact;
pub use facts::NodeFact;
pub use facts::OperatorIdentity;
pub use facts::ServiceFact;
pub use gate::Accepted;
pub use gate::accepted;
pub use gate::gate;
pub use gate::kept;
pub use install::Image;
pub use install::Install;
pub use install::install;
pub use object::DesiredObject;
pub use object::ObjectKey;
pub use object::Rank;
pub use object::Write;
pub use policy::Rules;
pub use simulate::CONTAINER_FIELDS;
pub use simulate::Claim;
pub use simulate::Denied;
pub use simulate::POD_FIELDS;
pub use simulate::Reason;
pub use simulate::Shortage;
pub use simulate::Simulation;
pub use simulate::Subject;
pub use simulate::Violation;
pub use simulate::simulate;
pub use simulate::simulation_hash;
pub use spec::SecurityDomain;
pub use spec::SecurityDomainSpec;
pub use tier::Problem;
pub use tier::Resolved;
pub use tier::resolve;
pub use yaml::yaml;
