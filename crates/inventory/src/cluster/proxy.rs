//! Room `inventory`, live: through which proxy a server is reached, by the rules of Go's `http.ProxyFromEnvironment`,
//! which `kubectl` follows.

use std::net::IpAddr;

use http::Uri;
use kube::config::Cluster;

use super::access::Env;

/// The proxy for `url`: the kubeconfig's `proxy-url`, else that of the environment.
pub(super) fn of(cluster: &Cluster, url: &Uri, env: &Env) -> Result<Option<Uri>, String> {
    if let Some(written) = cluster.proxy_url.as_deref().filter(|proxy| !proxy.is_empty()) {
        return parse(written, "proxy-url").map(Some);
    }
    let host = url.host().unwrap_or("").trim_matches(['[', ']']);
    let is_secure = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let names = if is_secure { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    let Some((name, proxy)) = names.into_iter().find_map(|name| Some((name, env.text(name)?))) else {
        return Ok(None);
    };
    let exceptions = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| env.text(name)).unwrap_or("");
    if is_loopback(host) || exceptions.split(',').any(|entry| excepts(entry.trim(), host, port)) {
        return Ok(None);
    }
    parse(proxy, name).map(Some)
}

fn parse(written: &str, name: &str) -> Result<Uri, String> {
    let full = if written.contains("://") { written.to_owned() } else { format!("http://{written}") };
    let full = full.replacen("socks5h://", "socks5://", 1);
    // The address may hold a password: it is not repeated.
    let uri: Uri = full.parse().map_err(|_| format!("{name} is not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(uri),
        other => Err(format!("{name}: a proxy is http, https or socks5, not {}", other.unwrap_or("nothing"))),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether one entry of `NO_PROXY` names the host.
fn excepts(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let (network, address) = (network.parse::<IpAddr>(), host.parse::<IpAddr>());
        return match (network, address, bits.parse::<u32>()) {
            (Ok(network), Ok(address), Ok(bits)) => holds(network, bits, address),
            _ => false,
        };
    }
    let bare = entry.trim_matches(['[', ']']);
    if let (Ok(entry), Ok(host)) = (bare.parse::<IpAddr>(), host.parse::<IpAddr>()) {
        return entry == host;
    }
    let (name, wanted_port) = match entry.rsplit_once(':') {
        Some((name, digits)) if digits.parse::<u16>().is_ok() => (name, digits.parse::<u16>().ok()),
        _ => (entry, None),
    };
    let name = name.trim_matches(['[', ']']).trim_start_matches('*').to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    let is_same = match name.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => host == name || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.')),
    };
    !name.is_empty() && is_same && wanted_port.is_none_or(|wanted| wanted == port)
}

fn holds(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, written: Option<&str>, env: &[(&str, &str)]) -> Option<String> {
        let cluster = Cluster { proxy_url: written.map(str::to_owned), ..Cluster::default() };
        let env = Env::of(env.iter().copied());
        of(&cluster, &url.parse().unwrap(), &env).unwrap().map(|uri| uri.to_string())
    }

    #[test]
    fn the_kubeconfig_wins_over_the_environment_and_its_exceptions() {
        let env = [("HTTPS_PROXY", "http://env:1"), ("NO_PROXY", "*")];
        let url = "https://api.example.com:6443";
        assert_eq!(proxy(url, Some("socks5://a:1080"), &env).as_deref(), Some("socks5://a:1080/"));
        assert_eq!(proxy(url, Some("socks5h://a:1080"), &env).as_deref(), Some("socks5://a:1080/"));
        assert_eq!(proxy(url, None, &env), None);
    }

    #[test]
    fn the_environment_is_read_as_go_reads_it() {
        for (url, exceptions, expected) in [
            ("https://api.example.com", "", true),
            ("https://api.example.com", "example.com", false),
            ("https://api.example.com", ".example.com", false),
            ("https://example.com", ".example.com", true),
            ("https://badexample.com", "example.com", true),
            ("https://api.example.com:6443", "api.example.com:6443", false),
            ("https://api.example.com:6443", "api.example.com:443", true),
            ("https://10.1.2.3:6443", "10.0.0.0/8", false),
            ("https://11.1.2.3:6443", "10.0.0.0/8, 11.1.2.4", true),
            ("https://[fd00::1]:6443", "fd00::/8", false),
            ("https://localhost:6443", "", false),
            ("https://127.0.0.2:6443", "", false),
            ("http://api.example.com", "", false),
        ] {
            let env = [("https_proxy", "proxy:3128"), ("no_proxy", exceptions)];
            let found = proxy(url, None, &env);
            assert_eq!(found.is_some(), expected, "{url} without {exceptions:?}: {found:?}");
        }
    }

    #[test]
    fn a_password_in_a_broken_proxy_is_not_repeated() {
        let cluster = Cluster { proxy_url: Some("ftp://user:hunter2@h".to_owned()), ..Cluster::default() };
        let error = of(&cluster, &"https://a".parse().unwrap(), &Env::default()).unwrap_err();
        assert_eq!(error, "proxy-url: a proxy is http, https or socks5, not ftp");
    }
}
