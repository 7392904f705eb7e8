//! Room `inventory`, live: certificates of a kubeconfig, with errors that name the field and the file.

use std::path::Path;

use kube::config::AuthInfo;
use kube::config::Cluster;

use crate::named::read_named;
use crate::yaml::decode_base64;

/// Bytes of a file with certificates; those of every public authority together have a quarter of it.
const MAX_BYTES: u64 = 1 << 20;

/// Certificates that the server's must descend from, as DER; none: those of the system.
pub(super) fn authority(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let data = cluster.certificate_authority_data.as_deref().filter(|data| !data.is_empty());
    let file = cluster.certificate_authority.as_deref().filter(|file| !file.is_empty());
    let Some((bytes, place)) = load("certificate-authority", data, file)? else { return Ok(None) };
    let found = blocks(&bytes, "CERTIFICATE");
    if found.is_empty() {
        return Err(format!("{place} holds no PEM certificate"));
    }
    Ok(Some(found))
}

/// The same as the PEM text that plugins are given.
pub(super) fn authority_text(cluster: &Cluster) -> Result<Option<Vec<u8>>, String> {
    let data = cluster.certificate_authority_data.as_deref().filter(|data| !data.is_empty());
    let file = cluster.certificate_authority.as_deref().filter(|file| !file.is_empty());
    Ok(load("certificate-authority", data, file)?.map(|(bytes, _)| bytes))
}

/// A certificate without its key, or the other way round, is half a login.
pub(super) fn check_pair(user: &AuthInfo) -> Result<(), String> {
    let has_certificate = user.client_certificate.is_some() || user.client_certificate_data.is_some();
    let has_key = user.client_key.is_some() || user.client_key_data.is_some();
    match (has_certificate, has_key) {
        (true, false) => Err("the user has a client-certificate and no client-key; give both".to_owned()),
        (false, true) => Err("the user has a client-key and no client-certificate; give both".to_owned()),
        (false, false) => Ok(()),
        (true, true) => {
            let Some((bytes, place)) = client_certificate(user)? else { return Ok(()) };
            let is_pem = !blocks(&bytes, "CERTIFICATE").is_empty();
            if is_pem { Ok(()) } else { Err(format!("{place} holds no PEM certificate")) }
        }
    }
}

/// Bytes of the client's certificate, and where they stand.
pub(super) fn client_certificate(user: &AuthInfo) -> Result<Option<(Vec<u8>, String)>, String> {
    let data = user.client_certificate_data.as_deref().filter(|data| !data.is_empty());
    let file = user.client_certificate.as_deref().filter(|file| !file.is_empty());
    load("client-certificate", data, file)
}

fn load(field: &str, data: Option<&str>, file: Option<&str>) -> Result<Option<(Vec<u8>, String)>, String> {
    match (data, file) {
        (Some(data), _) => {
            let place = format!("{field}-data");
            let bytes = decode_base64(data).ok_or_else(|| format!("{place} is not base64"))?;
            Ok(Some((bytes, place)))
        }
        (None, Some(file)) => {
            let bytes =
                read_named(Path::new(file), MAX_BYTES).map_err(|error| format!("{field} {file}: {error}"))?;
            Ok(Some((bytes, format!("{field} {file}"))))
        }
        (None, None) => Ok(None),
    }
}

/// DER of the PEM blocks with this label.
pub(super) fn blocks(pem: &[u8], label: &str) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(pem);
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut rest = &*text;
    let mut found = Vec::new();
    while let Some((_, after)) = rest.split_once(&begin) {
        let Some((body, after)) = after.split_once(&end) else { break };
        found.extend(decode_base64(body));
        rest = after;
    }
    found
}
