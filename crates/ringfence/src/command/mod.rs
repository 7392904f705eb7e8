//! One file per command.

pub(crate) mod completion;
pub(crate) mod controls;
pub(crate) mod explain;
pub(crate) mod model;
pub(crate) mod scan;
pub(crate) mod version;
