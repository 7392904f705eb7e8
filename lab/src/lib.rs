//! Room `lab`: a real Kubernetes for tests. Knows nothing of ours; never shipped.
//!
//! `components (one Go binary, Debian packages) -> processes in a namespace of their own -> kubeconfig -> tests`
//!
//! # A test
//!
//! ```no_run
//! use ringfence_lab::{Identity, need};
//!
//! #[test]
//! #[ignore = "needs lab tier 1b: acts as somebody else"]
//! fn a_viewer_may_not_read_secrets() {
//!     let cluster = need!(ControlPlane);
//!     let namespace = cluster.namespace("viewer");
//!     let anna = Identity::human("anna", &[]);
//!     namespace.kubectl(&["create", "rolebinding", "sees", "--clusterrole=view", "--user=anna"]).ok();
//!     let said = namespace.kubectl_as(&anna, &["get", "secrets"]).refused();
//!     assert!(said.contains("cannot list resource"), "{said}");
//! }
//! ```
//!
//! The reason of `#[ignore]` names the tier; `cargo xtask test` runs the test in a lab that all test binaries
//! share. `need!` gives the cluster, or records a skip that is counted. Alone, in one line:
//! `cargo xtask lab exec -- cargo test -p CRATE -- --ignored`, or in a shell with `eval "$(cargo xtask lab up)"`.
//!
//! - One namespace per test, never `default`; objects of the whole cluster carry its random suffix and are
//!   removed by a guard. Tests run side by side: pods choose their node.
//! - Never sleep: [`until`] asks again up to a deadline.
//! - Calls block; a test with tasks of its own gives its runtime a second thread. Only
//!   [`ControlPlane::client`] is awaited: a client dies with the runtime it was made in, so each test makes one.
//! - All tests of a crate that need a cluster stand in one integration binary: where no lab is given, each
//!   test process starts its own.
//!
//! # Where the cluster comes from
//!
//! The first that is set: `RINGFENCE_TEST_KUBECONFIG` (any cluster; broken only if
//! `RINGFENCE_TEST_CLUSTER_DISPOSABLE=1`), `RINGFENCE_LAB` (a lab that runs), else a lab that ends with the
//! process. Its programs: `RINGFENCE_LAB_BIN`, `KUBEBUILDER_ASSETS`, else the Go module beside this crate, built
//! once into `RINGFENCE_LAB_CACHE` (`RINGFENCE_LAB_BUILD=0` forbids that). `RINGFENCE_LAB_KEEP=1` keeps folder
//! and logs of a lab that ended; `RINGFENCE_REQUIRE_TIER` turns the skip of a tier into a failure.
//!
//! # Who ends it
//!
//! One supervisor per lab owns all its processes. It is a process of its own, not a thread of the test: tests
//! are killed at any time, and a signal on the death of a parent follows the thread that started the child.
//! The supervisor reads a pipe from its owner, and end of file begins the end. If it is killed itself,
//! `cargo xtask lab sweep` finds what is left by recorded process id, start time and boot.
#![forbid(unsafe_code)]

mod assets;
mod audit;
mod background;
mod base64;
mod cgroup;
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
pub mod fill;
mod flags;
mod foreign;
mod go_build;
mod home;
mod identity;
mod image;
mod kubeconfig;
mod kubectl;
mod lab;
mod labtool;
mod launch;
mod namespace;
mod netns;
mod node;
mod pki;
mod pods;
mod process;
mod random;
mod reach;
mod site;
mod skip;
mod standin;
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
pub use image::File;
pub use image::Image;
pub use image::LABTOOL;
pub use image::Packed;
pub use kubectl::Done;
pub use lab::FakeNodeSpec;
pub use launch::Options;
pub use namespace::FakeNode;
pub use namespace::Namespace;
pub use pods::Node;
pub use pods::Running;
pub use pods::labtool_pod;
pub use reach::Reach;
pub use reach::Target;
pub use skip::Claim;
pub use skip::need;
pub use skip::need_private;
pub use standin::PUBLIC_NAME;
pub use standin::StandIn;
pub use tier::Missing;
pub use tier::Tier;
pub use until::until;
pub use until::until_async;
