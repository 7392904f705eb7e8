//! Room `secret`: the base64 of a Kubernetes Secret's `data` -> bytes. It is the storage form, so decoding it
//! is no discovery: the caller scans the decoded value.

/// Decodes standard, padded base64 as the API server does (Go `StdEncoding`): line breaks are skipped, the
/// unused bits of the last character may be set.
///
/// `None` for any other character, wrong padding, or more than 8 MiB of text.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_ENCODED {
        return None;
    }
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = 0_u32;
    let mut characters = 0;
    let mut padding = 0;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        if byte == b'=' {
            padding += 1;
            continue;
        }
        // Nothing may follow the padding.
        if padding > 0 {
            return None;
        }
        group = group << 6 | sextet(byte)?;
        characters += 1;
        if characters % 4 == 0 {
            decoded.extend(group.to_be_bytes().iter().skip(1));
            group = 0;
        }
    }
    match (characters % 4, padding) {
        (0, 0) => {}
        (2, 2) => decoded.extend((group << 12).to_be_bytes().iter().skip(1).take(1)),
        (3, 1) => decoded.extend((group << 6).to_be_bytes().iter().skip(1).take(2)),
        _ => return None,
    }
    Some(decoded)
}

/// Eight times what the API server stores in one Secret (1 MiB): more is no Secret.
const MAX_ENCODED: usize = 8 << 20;

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_the_vectors_of_rfc_4648() {
        for (encoded, plain) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            ("Zm9v\r\nYmFy\n", "foobar"),
            ("Zh==", "f"),
        ] {
            assert_eq!(decode_base64(encoded).as_deref(), Some(plain.as_bytes()), "{encoded}");
        }
        assert_eq!(decode_base64("/+8="), Some(vec![0xff, 0xef]));
    }

    #[test]
    fn refuses_what_the_api_server_refuses() {
        for text in ["Zg", "Zg=", "Zg===", "Z", "Z===", "Zg==Zg==", "=", "Zm9v=", "Zm-_", "Zm 9v", "Zm9vé"] {
            assert_eq!(decode_base64(text), None, "{text}");
        }
        assert_eq!(decode_base64(&"A".repeat(MAX_ENCODED + 4)), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            decode_base64(&text);
        }
    }
}
