//! Room `attest`: bytes -> DER elements, strictly: definite, shortest lengths, nothing behind the end. ITU-T X.690.

/// Tags that are read here.
pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// What an extension has as BOOLEAN, where it is critical: DER writes true in one way.
pub(crate) const TRUE: &[u8] = &[0xff];

/// Elements that follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    pub(crate) fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tag of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Content of the next element, whatever its tag.
    pub(crate) fn any(&mut self) -> Option<(u8, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        if tag & 0x1f == 0x1f {
            return None; // tags of several bytes: none of what is read here has one
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            let (digits, rest) = rest.split_at_checked(count)?;
            let length = digits.iter().try_fold(0_usize, |length, &digit| {
                length.checked_mul(256)?.checked_add(usize::from(digit))
            })?;
            let shortest = digits.first().is_some_and(|&digit| digit != 0) && length >= 0x80;
            (shortest.then_some(length)?, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// Content of the next element, which has this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        let mut ahead = *self;
        let (found, content) = ahead.any()?;
        (found == tag).then(|| {
            *self = ahead;
            content
        })
    }

    /// The next element, which has this tag, with tag and length.
    pub(crate) fn whole(&mut self, tag: u8) -> Option<&'d [u8]> {
        let before = self.0;
        self.take(tag)?;
        before.get(..before.len() - self.0.len())
    }

    /// Elements inside the next one, which is a sequence.
    pub(crate) fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// The next element, a whole number that is not negative.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let digits = self.take(INTEGER)?;
        let digits = match digits {
            [] => return None,
            [0, second, ..] if *second < 0x80 => return None, // not the shortest
            [0, rest @ ..] => rest,
            [first, ..] if *first >= 0x80 => return None, // negative
            digits => digits,
        };
        if digits.len() > 8 {
            return None;
        }
        Some(digits.iter().fold(0, |number, &digit| number << 8 | u64::from(digit)))
    }
}

/// An element of less than 65,536 bytes.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    let mut bytes = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_way_to_write_it_is_read() {
        assert_eq!(Der::new(&[2, 1, 5]).number(), Some(5));
        assert_eq!(Der::new(&[2, 2, 0, 0x80]).number(), Some(0x80));
        for wrong in
            [&[2, 2, 0, 5][..], &[2, 0x81, 1, 5], &[2, 1, 0x80], &[2, 0x80, 5, 0, 0], &[2, 2, 5], &[2], &[]]
        {
            assert_eq!(Der::new(wrong).number(), None, "{wrong:?}");
        }
        for length in [0, 127, 128, 255, 256, 60_000] {
            let bytes = element(OCTET_STRING, &vec![7; length]);
            let mut der = Der::new(&bytes);
            assert_eq!((der.take(OCTET_STRING).unwrap().len(), der.is_empty()), (length, true));
            let mut two = [bytes.as_slice(), &[NULL, 0]].concat();
            assert_eq!(Der::new(&two).whole(OCTET_STRING), Some(bytes.as_slice()));
            two[0] = SEQUENCE;
            assert_eq!(Der::new(&two).whole(OCTET_STRING), None);
        }
    }
}
