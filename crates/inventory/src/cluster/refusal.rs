//! Room `inventory`, live: what a failed connection and a 401 mean -> words with cause and cure.

use super::connect::Way;
use super::error::ClusterError;
use super::x509;

/// What a connection that was not made means: words when it may pass, an error when it will not.
pub(super) fn connection(way: &Way, words: &str) -> Result<String, ClusterError> {
    let at = &way.words;
    let untrusted = |cause: &str| ClusterError::Untrusted(format!("{at}: {cause}"));
    if words.contains("certificate expired") || words.contains("Expired") {
        return Err(untrusted(
            "the server's certificate has ended; renew it on the cluster (`kubeadm certs renew`, or its vendor's way), and \
             check the clock of this machine",
        ));
    }
    if words.contains("NotYetValid") || words.contains("not valid yet") {
        return Err(untrusted("the server's certificate is not valid yet; check the clock of this machine"));
    }
    if words.contains("UnknownIssuer") || words.contains("BadSignature") {
        return Err(untrusted(
            "the server's certificate is signed by an unknown authority (x509); the kubeconfig's certificate-authority is \
             not this cluster's: fetch the kubeconfig anew, and do not switch the check off",
        ));
    }
    if words.contains("not valid for name") || words.contains("NotValidForName") {
        return Err(untrusted(
            "the server's certificate is for another name; use the name in it as `server`, or set tls-server-name",
        ));
    }
    if words.contains("invalid peer certificate") {
        return Err(untrusted(&format!("the server's certificate is not accepted: {words}")));
    }
    if words.contains("InvalidContentType") || words.contains("corrupt message") {
        return Err(ClusterError::Unexpected(format!(
            "{at}: no TLS at this address; is `server` http, or another port?"
        )));
    }
    if words.contains("failed to lookup address") || words.contains("dns error") {
        return Err(ClusterError::Unreachable(format!(
            "{at}: the name of the server does not resolve; check `server`, the VPN and the context"
        )));
    }
    if words.contains("Connection refused") {
        return Err(ClusterError::Unreachable(format!(
            "{at}: connection refused: nothing listens at this address; is the cluster up, and is this the right context?"
        )));
    }
    Ok(format!("{at}: not reached: {words}; check the network, the VPN and the proxy"))
}

/// What a 401 means.
pub(super) fn unauthorized(way: &Way, words: &str) -> String {
    let at = &way.words;
    let user = way.user();
    let told = if words.is_empty() { String::new() } else { format!(" ({words})") };
    if let Some(end) = x509::client_end(user) {
        return format!(
            "{at}: the server refuses the login (401){told}; the client certificate is valid until {end}: when that is \
             past, fetch a new kubeconfig"
        );
    }
    let cure = if user.exec.is_some() {
        "the plugin's credential is not accepted, a second one neither: log in again, and check that the plugin is for this \
         cluster"
    } else if user.token.is_some() || user.token_file.is_some() {
        "the token has ended or is of another cluster: fetch a new one"
    } else {
        "the kubeconfig gives no credential: fetch one, or name a user with --user"
    };
    format!("{at}: the server refuses the login (401){told}; {cure}")
}
