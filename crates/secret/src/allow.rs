//! Room `secret`: value -> is it a placeholder of the right shape? By value only, never by file name: a key
//! copied from documentation into a manifest is a real finding.

/// True for values that people write where a key would stand.
///
/// Of the allow list in the design only what the present shapes can hold is tested: paths, hosts, template
/// markers and digests have characters that no shape of the table admits.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    has_placeholder_word(value) || repeats_one_character(value) || counts_up(value)
}

fn has_placeholder_word(value: &[u8]) -> bool {
    LONG_WORDS.iter().any(|word| contains(value, |part| part.eq_ignore_ascii_case(word), word.len()))
        || SHORT_WORDS.iter().any(|word| contains(value, |part| is_spelled_evenly(part, word), word.len()))
}

fn contains(value: &[u8], is_word: impl Fn(&[u8]) -> bool, len: usize) -> bool {
    value.windows(len).any(is_word)
}

/// `your`, `YOUR` or `Your`, but not `yOuR`: four letters in any mix of case stand in one random key of
/// seven thousand, and a key that was allowed by chance is a missed key.
fn is_spelled_evenly(part: &[u8], word: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else { return false };
    part.eq_ignore_ascii_case(word)
        && (part.iter().all(u8::is_ascii_uppercase)
            || (first.is_ascii_alphabetic() && rest.iter().all(|byte| !byte.is_ascii_uppercase())))
}

const LONG_WORDS: &[&[u8]] =
    &[b"example", b"sample", b"placeholder", b"changeme", b"redacted", b"test-key", b"test_key"];
const SHORT_WORDS: &[&[u8]] = &[b"your", b"dummy", b"xxxx"];

fn repeats_one_character(value: &[u8]) -> bool {
    let mut counts = [0_usize; 256];
    for &byte in value {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    counts.iter().any(|&count| count * 2 > value.len())
}

/// Eight neighbours in a row, as in `abcdefgh` or `01234567`.
fn counts_up(value: &[u8]) -> bool {
    let mut run = 1;
    value.windows(2).any(|pair| {
        run = match pair {
            [a, b] if a.is_ascii_alphanumeric() && a.checked_add(1) == Some(*b) => run + 1,
            _ => 1,
        };
        run >= 8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_people_write_for_a_key() {
        for value in [
            "hf_ThisIsAnExampleTokenPleaseReplaceMe",
            "sk-proj-YOUR-KEY-HERE",
            "sk-ant-api03-your-key-here",
            "hf_9Qx2xxxxxxxxKpd81mZ",
            "api_org_aaaaaaaaaaaaaaaaaaaaab1",
            "hf_abcdefghQ81",
            "hf_Zk01234567",
            "sk-test-key-81",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn leaves_random_values_alone() {
        for value in ["hf_Qw7TzL0pRk2Vn9", "hf_yOuRkq81LzPw", "abcdefg-hijklmn", "012345-6789", ""] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
        }
    }
}
