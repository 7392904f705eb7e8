//! Room `lab`: a real Kubernetes for tests. Knows nothing of ours; never shipped.
//!
//! `components (one Go binary, Debian packages) -> processes in a namespace of their own -> kubeconfig -> tests`
#![forbid(unsafe_code)]

pub mod fill;
