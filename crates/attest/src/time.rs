//! Room `attest`: times of certificates and of options <-> seconds since 1970, UTC.

/// Reads UTCTime or GeneralizedTime, in the forms that RFC 5280 allows (section 4.1.2.5).
pub(crate) fn from_der((tag, text): (u8, &[u8])) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    let (year, rest) = match tag {
        0x17 => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = digits(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        0x18 => {
            let (year, rest) = text.split_at_checked(4)?;
            (digits(year)?, rest)
        }
        _ => return None,
    };
    let rest = rest.strip_suffix('Z').filter(|rest| rest.len() == 10 && rest.is_ascii())?;
    let part = |at: usize| digits(rest.get(at..at + 2)?);
    seconds([year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?])
}

/// Reads the GeneralizedTime of a timestamp, which may have a fraction, and never one that ends in 0 (RFC 3161, section 2.4.2):
/// whole seconds, rounded down.
pub(crate) fn from_stamp(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    let Some((whole, fraction)) = text.split_once('.') else { return from_der((0x18, text.as_bytes())) };
    digits(fraction.strip_suffix('Z').filter(|it| !it.is_empty() && it.len() < 10 && !it.ends_with('0'))?)?;
    from_der((0x18, format!("{whole}Z").as_bytes()))
}

/// Reads `2026-01-31` (its first second) or `2026-01-31T12:00:00Z`.
pub fn parse(text: &str) -> Option<u64> {
    let (date, clock) = match text.split_once('T') {
        Some((date, clock)) => (date, clock.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let fields = |text: &str, separator: char, widths: [usize; 3]| -> Option<[u64; 3]> {
        let mut parts = text.split(separator);
        let mut next = |width: usize| parts.next().filter(|part| part.len() == width).and_then(digits);
        let fields = [next(widths[0])?, next(widths[1])?, next(widths[2])?];
        parts.next().is_none().then_some(fields)
    };
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
    seconds([year, month, day, hour, minute, second])
}

/// `2026-01-31T12:00:00Z`.
pub(crate) fn text(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let mut left = days;
    while left >= days_of_year(year) && year < 9999 {
        left -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while month < 12 && left >= days_of_month(year, month) {
        left -= days_of_month(year, month);
        month += 1;
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", left + 1)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn seconds([year, month, day, hour, minute, second]: [u64; 6]) -> Option<u64> {
    let valid =
        (1970..=9999).contains(&year) && (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    if !valid || day == 0 || day > days_of_month(year, month) {
        return None;
    }
    let years: u64 = (1970..year).map(days_of_year).sum();
    let months: u64 = (1..month).map(|month| days_of_month(year, month)).sum();
    Some((years + months + day - 1) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_what_the_standards_say() {
        for (written, seconds) in [
            ("1970-01-01", Some(0)),
            ("2000-03-01T00:00:00Z", Some(951_868_800)),
            ("2026-11-25T08:40:00Z", Some(1_795_596_000)),
            ("2023-02-29", None),
            ("2026-1-01", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T24:00:00Z", None),
        ] {
            assert_eq!(parse(written), seconds, "{written}");
        }
        assert_eq!(text(951_868_799), "2000-02-29T23:59:59Z");
        assert_eq!(from_der((0x17, b"500101000000Z")), None, "1950 is before all certificates");
        assert_eq!(from_der((0x17, b"000301000000Z")), Some(951_868_800));
        assert_eq!(from_der((0x18, b"20000301000000Z")), Some(951_868_800));
        assert_eq!(from_der((0x18, b"20000301000000+01")), None);
        for (written, seconds) in [
            ("20000301000000Z", Some(951_868_800)),
            ("20000301000000.999Z", Some(951_868_800)),
            ("20000301000000.10Z", None),
            ("20000301000000.Z", None),
            ("20000301000000.1", None),
            ("20000301000000.1.1Z", None),
            ("200003010000Z", None),
        ] {
            assert_eq!(from_stamp(written.as_bytes()), seconds, "{written}");
        }
    }
}
