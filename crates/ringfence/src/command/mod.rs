//! One file per command.

#[cfg(feature = "cluster")]
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod controls;
pub(crate) mod explain;
#[cfg(feature = "models")]
pub(crate) mod model;
pub(crate) mod scan;
pub(crate) mod version;
