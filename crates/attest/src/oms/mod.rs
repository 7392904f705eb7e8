//! Room `attest`: OpenSSF Model Signing: files <-> statement <-> bundle, written in the subset that every tool reads, read
//! with the history there is, and refused where two readers could disagree.

mod again;
mod agree;
mod bundle;
mod left_out;
mod sign;
mod statement;
#[cfg(test)]
mod tests;
mod tree;
mod trust;
mod v02;
mod verify;

pub use sign::SignError;
pub use sign::Signed;
pub use sign::Signing;
pub use sign::sign;
pub use trust::ParseRequireError;
pub use trust::Require;
pub use trust::TrustRoot;
pub use trust::TrustedSigner;
pub use verify::Request;
pub use verify::Signature;
pub use verify::verify;

/// The name of what a signature file signs, where that is not what lies at `path`. It is what the file says: nothing of it is
/// verified. Fails where it is no signature of a model.
pub fn signs_another(bundle: &[u8], path: &std::path::Path) -> Result<Option<String>, crate::Refusal> {
    let bundle = bundle::Bundle::read(bundle)?;
    let statement = statement::Statement::read(&bundle.payload)?;
    let own = sign::model_name(path, path.is_file());
    Ok(statement.name.filter(|name| *name != own))
}

/// Bundle and statement of foreign bytes: what the fuzz targets call.
pub fn read_statement(payload: &[u8]) -> Result<(), crate::Refusal> {
    if v02::is(payload) {
        v02::read(payload).map(drop)
    } else {
        statement::Statement::read(payload).map(drop)
    }
}

/// As above, for bundles.
pub fn read_bundle(bytes: &[u8]) -> Result<(), crate::Refusal> {
    bundle::Bundle::read(bytes).map(drop)
}
