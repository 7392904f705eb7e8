//! Room `attest`: PEM text <-> labelled bytes. RFC 7468, with the headers that RFC 1421 had and nobody should use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block<'t> {
    pub(crate) label: &'t str,
    /// Whether the old way of encryption is in use (`Proc-Type: 4,ENCRYPTED`).
    pub(crate) old_encryption: bool,
    pub(crate) bytes: Vec<u8>,
}

/// All blocks of a text; what stands between them is skipped. None where one does not end or is not base64.
pub(crate) fn blocks(text: &str) -> Option<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = line.trim().strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"))
        else {
            continue;
        };
        let (mut body, mut headers, mut ended) = (String::new(), false, false);
        for line in lines.by_ref() {
            let line = line.trim();
            if line.strip_prefix("-----END ").and_then(|rest| rest.strip_suffix("-----")) == Some(label) {
                ended = true;
                break;
            }
            if line.contains(':') {
                headers = true;
            } else {
                body.push_str(line);
            }
        }
        // An old header names how the body is encrypted: there is nothing to decode.
        let bytes = STANDARD.decode(&body).ok();
        let bytes = if headers { bytes.unwrap_or_default() } else { bytes? };
        if !ended {
            return None;
        }
        blocks.push(Block { label, old_encryption: headers, bytes });
    }
    Some(blocks)
}

/// A block in lines of 64 characters, with a final newline.
pub(crate) fn write(label: &str, bytes: &[u8]) -> String {
    let body = STANDARD.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 47, 48, 49, 500] {
            let bytes = vec![9; length];
            let text = format!("words\n{}\n", write("PUBLIC KEY", &bytes));
            let expected = Block { label: "PUBLIC KEY", old_encryption: false, bytes };
            assert_eq!(blocks(&text).unwrap(), [expected]);
        }
        for bad in ["-----BEGIN A-----\nAAAA\n", "-----BEGIN A-----\nA\n-----END A-----\n"] {
            assert_eq!(blocks(bad), None, "{bad}");
        }
        assert_eq!(blocks("").unwrap(), []);
    }
}
