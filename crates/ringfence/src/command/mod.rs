//! One file per command.

#[cfg(feature = "cluster")]
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod controls;
#[cfg(feature = "domain")]
pub(crate) mod domain;
pub(crate) mod explain;
#[cfg(feature = "domain")]
pub(crate) mod install;
#[cfg(feature = "models")]
pub(crate) mod model;
pub(crate) mod scan;
#[cfg(feature = "domain")]
pub(crate) mod serve;
pub(crate) mod version;
