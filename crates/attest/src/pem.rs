//! Room `attest`: PEM text <-> labelled bytes. RFC 7468, with the headers that RFC 1421 had and nobody should use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block<'t> {
    pub(crate) label: &'t str,
    /// Whether the old way of encryption is in use (`Proc-Type: 4,ENCRYPTED`).
    pub(crate) old_encryption: bool,
    pub(crate) bytes: Vec<u8>,
}

/// How a block begins.
pub(crate) const BEGIN: &str = "-----BEGIN ";

/// All blocks of a text; what stands between them is skipped. None where one does not end or is not base64.
///
/// The text of a block is wiped, as its bytes are where there is no answer; the bytes of an answer are its taker's.
pub(crate) fn blocks(text: &str) -> Option<Vec<Block<'_>>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = line.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let Some(block) = block(label, text.len(), &mut lines) else {
            for block in blocks {
                drop(Zeroizing::new(block.bytes));
            }
            return None;
        };
        blocks.push(block);
    }
    Some(blocks)
}

/// The block of this label, from its second line on; of a text of `most` bytes.
fn block<'t>(label: &'t str, most: usize, lines: &mut std::str::Lines<'t>) -> Option<Block<'t>> {
    // With room for all of it: a text that grows leaves copies behind.
    let mut body = Zeroizing::new(String::with_capacity(most));
    let (mut headers, mut ended) = (false, false);
    for line in lines {
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
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(body.len())]);
    let length = STANDARD.decode_slice(body.as_bytes(), &mut bytes);
    // An old header names how the body is encrypted: there is nothing to decode.
    let length = if headers { length.unwrap_or(0) } else { length.ok()? };
    if !ended {
        return None;
    }
    bytes.truncate(length);
    Some(Block { label, old_encryption: headers, bytes: std::mem::take(&mut bytes) })
}

/// A block in lines of 64 characters, with a final newline. What is written may be secret: no copy of it is left.
pub(crate) fn write(label: &str, bytes: &[u8]) -> String {
    let body = Zeroizing::new(STANDARD.encode(bytes));
    let around = "-----BEGIN -----\n-----END -----\n".len() + 2 * label.len();
    let mut text = String::with_capacity(around + body.len() + body.len().div_ceil(64));
    text.extend([BEGIN, label, "-----\n"]);
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.extend([line, "\n"]);
        rest = more;
    }
    text.extend(["-----END ", label, "-----\n"]);
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
            let block = write("PUBLIC KEY", &bytes);
            assert_eq!(block.len(), block.capacity(), "it never grew, which would leave a copy");
            let expected = Block { label: "PUBLIC KEY", old_encryption: false, bytes };
            assert_eq!(blocks(&text).unwrap(), [expected]);
        }
        for bad in ["-----BEGIN A-----\nAAAA\n", "-----BEGIN A-----\nA\n-----END A-----\n"] {
            assert_eq!(blocks(bad), None, "{bad}");
        }
        assert_eq!(blocks("").unwrap(), []);
    }
}
