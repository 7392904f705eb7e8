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
    path.bytes().for_each(|byte| push(&mut uri, byte));
    uri
}

/// The name of a member of an archive: relative to it whatever the name is, so that nobody who resolves it leaves it.
pub(crate) fn from_member(name: &str) -> String {
    let mut uri = String::with_capacity(name.len());
    for (index, part) in name.split('/').enumerate() {
        match (index, part) {
            (0, _) => {}
            (1, _) if uri.is_empty() => uri.push_str("%2F"),
            _ => uri.push('/'),
        }
        match part {
            "." | ".." => uri.push_str(&part.replace('.', "%2E")),
            part => part.bytes().for_each(|byte| push(&mut uri, byte)),
        }
    }
    uri
}

/// A byte as it stands in a path. `:` is written out: in a first segment it would end a scheme.
fn push(uri: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
        uri.push(char::from(byte));
    } else {
        // Writing to a String cannot fail.
        _ = write!(uri, "%{byte:02X}");
    }
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

    #[test]
    fn no_member_leads_out_of_its_archive() {
        assert_eq!(from_member("archive/data.pkl"), "archive/data.pkl");
        assert_eq!(from_member("../../etc/x"), "%2E%2E/%2E%2E/etc/x");
        assert_eq!(from_member("/etc/x"), "%2Fetc/x");
        assert_eq!(from_member("a/./b//c:\n"), "a/%2E/b//c%3A%0A");
        assert_eq!(from_member(""), "");
    }
}
