//! Room `lab`: a real Kubernetes for tests. Knows nothing of ours; never shipped.
//!
//! `components (one Go binary, Debian packages) -> processes in a namespace of their own -> kubeconfig -> tests`
#![forbid(unsafe_code)]

mod assets;
mod children;
mod component;
mod error;
mod home;
mod lab;
mod netns;
mod node;
mod process;
mod random;
mod site;
mod tier;
mod until;

pub use component::Component;
pub use error::Error;
pub use error::Result;
pub use tier::Missing;
pub use tier::Tier;
pub use until::until;
pub use until::until_async;
