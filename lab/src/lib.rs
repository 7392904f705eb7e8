//! Room `lab`: a real Kubernetes for tests. Knows nothing of ours; never shipped.
//!
//! `components (one Go binary, Debian packages) -> processes in a namespace of their own -> kubeconfig -> tests`
#![forbid(unsafe_code)]

mod assets;
mod audit;
mod background;
mod base64;
mod children;
mod client;
#[doc(hidden)]
pub mod command;
mod component;
mod config;
mod control;
mod control_plane;
mod error;
mod etcd;
mod fake_node;
mod flags;
mod foreign;
mod go_build;
mod home;
mod identity;
mod kubeconfig;
mod kubectl;
mod lab;
mod launch;
mod namespace;
mod netns;
mod node;
mod pki;
mod process;
mod random;
mod site;
mod skip;
mod start;
mod stop;
mod supervisor;
mod sweep;
mod tier;
mod until;

pub use audit::AuditEvent;
pub use audit::AuditTail;
pub use component::Component;
pub use control_plane::ControlPlane;
pub use error::Error;
pub use error::Result;
pub use identity::Identity;
pub use kubectl::Done;
pub use lab::FakeNodeSpec;
pub use launch::Options;
pub use namespace::FakeNode;
pub use namespace::Namespace;
pub use skip::Claim;
pub use skip::need;
pub use skip::need_private;
pub use tier::Missing;
pub use tier::Tier;
pub use until::until;
pub use until::until_async;
