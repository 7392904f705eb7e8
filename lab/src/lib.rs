//! Room `lab`: a real Kubernetes for tests. Knows nothing of ours; never shipped.
//!
//! `components (one Go binary, Debian packages) -> processes in a namespace of their own -> kubeconfig -> tests`
#![forbid(unsafe_code)]

mod assets;
mod base64;
mod cgroup;
mod children;
mod client;
#[doc(hidden)]
pub mod command;
mod component;
mod config;
mod control;
mod error;
mod fake_node;
pub mod fill;
mod flags;
mod go_build;
mod home;
mod identity;
mod image;
mod lab;
mod labtool;
mod launch;
mod netns;
mod node;
mod pki;
mod pods;
mod process;
mod random;
mod reach;
mod site;
mod standin;
mod start;
mod stop;
mod supervisor;
mod sweep;
mod tier;
mod until;

pub use component::Component;
pub use error::Error;
pub use error::Result;
pub use home::Home;
pub use identity::Identity;
pub use image::File;
pub use image::Image;
pub use image::Packed;
pub use lab::FakeNodeSpec;
pub use launch::Options;
pub use pods::Node;
pub use pods::Output;
pub use pods::Running;
pub use pods::labtool_pod;
pub use reach::Reach;
pub use reach::Target;
pub use standin::PUBLIC_NAME;
pub use standin::StandIn;
pub use tier::Missing;
pub use tier::Tier;
pub use until::until;
pub use until::until_async;
