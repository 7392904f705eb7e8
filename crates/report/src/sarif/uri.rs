//! Room `report`, SARIF: a path enters, a URI reference of RFC 3986 leaves.

use std::fmt::Write as _;

/// Relative paths stay relative, so that a code host finds them in its checkout; absolute ones become `file://`.
pub(crate) fn from_path(path: &str) -> String {
    let relative = path.trim_start_matches("./");
    let mut uri = String::with_capacity(path.len() + "file://".len());
    let path = if path.starts_with('/') {
        uri.push_str("file://");
        path
    } else {
        relative
    };
    for byte in path.bytes() {
        // `:` is left out: in a first segment it would end a scheme.
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uri_references() {
        assert_eq!(from_path("demo/open/web.yaml"), "demo/open/web.yaml");
        assert_eq!(from_path("./a/b.yaml"), "a/b.yaml");
        assert_eq!(from_path("../a.yaml"), "../a.yaml");
        assert_eq!(from_path("/srv/a b.yaml"), "file:///srv/a%20b.yaml");
        assert_eq!(from_path("c:x/ä#?.yaml"), "c%3Ax/%C3%A4%23%3F.yaml");
        assert_eq!(from_path("//host/x"), "file:////host/x");
        assert_eq!(from_path("-"), "-");
    }
}
