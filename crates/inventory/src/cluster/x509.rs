//! Room `inventory`, live: until when a client certificate is valid. API servers answer 401 to one that has ended, and
//! do not say why.

use kube::config::AuthInfo;

use super::pem;

/// End of the user's own certificate, `2027-01-31 12:00:00 UTC`.
pub(super) fn client_end(user: &AuthInfo) -> Option<String> {
    let (bytes, _) = pem::client_certificate(user).ok()??;
    let first = pem::blocks(&bytes, "CERTIFICATE").into_iter().next()?;
    not_after(&first)
}

/// `notAfter` of a certificate in DER (RFC 5280, section 4.1).
fn not_after(der: &[u8]) -> Option<String> {
    let (_, certificate, _) = value(der)?;
    let (_, mut to_be_signed, _) = value(certificate)?;
    // [0] version is optional; then serial number, signature, issuer, validity.
    let (tag, _, after) = value(to_be_signed)?;
    if tag == 0xa0 {
        to_be_signed = after;
    }
    for _ in 0..3 {
        (_, _, to_be_signed) = value(to_be_signed)?;
    }
    let (_, validity, _) = value(to_be_signed)?;
    let (_, _, after) = value(validity)?;
    let (tag, time, _) = value(after)?;
    let text = std::str::from_utf8(time).ok().filter(|text| text.is_ascii())?;
    // UTCTime has two digits of the year: 50 and later are of the last century.
    let full = match tag {
        0x17 if text.get(..1)? >= "5" => format!("19{text}"),
        0x17 => format!("20{text}"),
        0x18 => text.to_owned(),
        _ => return None,
    };
    let part = |from: usize| full.get(from..from.checked_add(2)?);
    let (month, day, hour, minute, second) = (part(4)?, part(6)?, part(8)?, part(10)?, part(12)?);
    Some(format!("{}-{month}-{day} {hour}:{minute}:{second} UTC", full.get(..4)?))
}

/// Tag, content and rest of the first value.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let digits = usize::from(first & 0x7f);
        if digits > 4 {
            return None;
        }
        let (length, rest) = rest.split_at_checked(digits)?;
        (length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}
