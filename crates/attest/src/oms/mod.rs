//! Room `attest`: OpenSSF Model Signing: files <-> statement <-> bundle, written in the subset that every tool reads, read
//! with the history there is, and refused where two readers could disagree.

mod bundle;
mod sign;
mod statement;
#[cfg(test)]
mod tests;
mod tree;
mod verify;

pub use bundle::Trust;
pub use sign::SignError;
pub use sign::Signed;
pub use sign::Signing;
pub use sign::sign;
pub use verify::Request;
pub use verify::verify;

/// Bundle and statement of foreign bytes: what the fuzz targets call.
pub fn read_statement(payload: &[u8]) -> Result<(), crate::Refusal> {
    statement::Statement::read(payload).map(drop)
}

/// As above, for bundles.
pub fn read_bundle(bytes: &[u8]) -> Result<(), crate::Refusal> {
    bundle::Bundle::read(bytes).map(drop)
}
