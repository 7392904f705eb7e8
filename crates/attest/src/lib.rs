//! files -> digests -> statement -> bundle; bundle + files -> verified
mod hash;
pub use hash::*;
