//! Room `attest`: bytes of any small file -> whether a private key is in them. Nothing of a key is read beyond its form.

use crate::der;
use crate::der::Der;
use crate::pem;

/// Bytes behind the first line of a block in which its second begins.
const NEAR: usize = 256;
/// `pkcs-5` and `pkcs-12PbeIds`: how a key in PKCS#8 is encrypted (RFC 8018, RFC 7292).
const ENCRYPTIONS: [&[u8]; 2] =
    [b"\x2a\x86\x48\x86\xf7\x0d\x01\x05", b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01"];

/// Whether these bytes are a private key in DER, or text in which one stands as PEM: behind other words too, as `openssl pkcs12`
/// writes it, and inside of JSON.
pub(crate) fn has_private_key(bytes: &[u8]) -> bool {
    if bytes.first() == Some(&der::SEQUENCE) {
        return is_der(bytes).is_some_and(|is_key| is_key);
    }
    str::from_utf8(bytes).is_ok_and(in_text)
}

fn in_text(text: &str) -> bool {
    text.match_indices(pem::BEGIN).any(|(at, begin)| {
        let label = text.get(at + begin.len()..).and_then(|rest| rest.split_once("-----"));
        label.is_some_and(|(label, rest)| label.ends_with("PRIVATE KEY") && has_body(rest.as_bytes()))
    })
}

/// Whether a line of base64 or an old header follows: what only speaks of keys has neither. JSON writes the end of a line as
/// a backslash and a letter, and that letter is base64 as well.
fn has_body(rest: &[u8]) -> bool {
    let near = rest.get(..NEAR).unwrap_or(rest);
    let mut lines = near.split(|byte| b"\r\n\\".contains(byte)).skip(1).map(<[u8]>::trim_ascii);
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    lines
        .find(|line| !line.is_empty())
        .is_some_and(|line| line.starts_with(b"Proc-Type:") || line.iter().all(is_base64))
}

/// By form: PKCS#8 (RFC 5958), the same encrypted, SEC1 (RFC 5915), or PKCS#1 and its like, numbers alone behind a zero.
fn is_der(bytes: &[u8]) -> Option<bool> {
    let mut outer = Der::new(bytes);
    let mut key = outer.sequence()?;
    if !outer.is_empty() {
        return None;
    }
    if key.peek() == Some(der::SEQUENCE) {
        let how = key.sequence()?.take(der::OID)?;
        key.take(der::OCTET_STRING)?;
        return Some(key.is_empty() && ENCRYPTIONS.iter().any(|known| how.starts_with(known)));
    }
    let version = key.number()?;
    Some(match key.peek()? {
        der::SEQUENCE => {
            key.sequence()?.take(der::OID)?;
            version <= 1 && key.peek() == Some(der::OCTET_STRING)
        }
        der::OCTET_STRING => version == 1,
        _ => {
            let mut numbers = 0;
            while !key.is_empty() {
                key.take(der::INTEGER)?;
                numbers += 1;
            }
            version == 0 && numbers >= 5
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Curve;
    use crate::KeyFormat;
    use crate::Password;
    use crate::PrivateKey;

    fn pem_of(password: &str) -> (PrivateKey, String) {
        let password = Password::new(password.as_bytes().to_vec());
        let (key, text) = PrivateKey::generate(Curve::P256, KeyFormat::Pem, &password).unwrap();
        (key, text.to_string())
    }

    #[test]
    fn a_key_is_seen_wherever_it_stands_in_a_text() {
        let (key, text) = pem_of("");
        for with in [
            text.clone(),
            pem_of("secret").1,
            format!("Bag Attributes\n    friendlyName: x\n{text}"),
            format!("\n\n{text}"),
            format!("\u{feff}{text}"),
            text.replace('\n', "\r\n"),
            text.replace('\n', "\n\n"),
            text.replace('\n', "\n    "),
            format!("{}{text}", key.public().to_pem()),
            serde_json::json!({"type": "service_account", "key": text}).to_string(),
            serde_json::json!({"key": text.replace('\n', "\r\n")}).to_string(),
        ] {
            assert!(has_private_key(with.as_bytes()), "{with}");
        }
        let label = ["PRIVATE", "KEY"].join(" ");
        for without in [
            String::new(),
            key.public().to_pem(),
            format!("a file with -----BEGIN {label}----- is secret\n"),
            format!("-----BEGIN {label}-----\n...\n-----END {label}-----\n"),
            format!("-----BEGIN {label}-----"),
        ] {
            assert!(!has_private_key(without.as_bytes()), "{without}");
        }
    }

    #[test]
    fn a_key_in_der_is_seen_by_its_form() {
        let body = |text: &str| pem::blocks(text).unwrap().remove(0).bytes;
        let sequence = |parts: &[&[u8]]| der::element(der::SEQUENCE, &parts.concat());
        let number = |value: u8| der::element(der::INTEGER, &[value]);
        let octets = der::element(der::OCTET_STRING, &[7; 32]);
        let (key, open) = pem_of("");
        let rsa = sequence(&[&number(0), &number(5).repeat(8)]);
        for secret in [body(&open), body(&pem_of("secret").1), sequence(&[&number(1), &octets]), rsa] {
            assert!(has_private_key(&secret));
            // Nothing else is behind it.
            assert!(!has_private_key(&[&secret[..], b"0"].concat()));
        }
        let sha256 = der::element(der::OID, b"\x60\x86\x48\x01\x65\x03\x04\x02\x01");
        for other in [
            key.public().to_der(),
            sequence(&[]),
            // A digest and its kind, an RSA public key, a signature.
            sequence(&[&sequence(&[&sha256]), &octets]),
            sequence(&[&number(5), &number(3)]),
            sequence(&[&number(0), &number(3)]),
        ] {
            assert!(!has_private_key(&other), "{other:?}");
        }
    }
}
