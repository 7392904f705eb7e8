//! Room `model`, format `npy`: magic, version, u16 or u32 length, a Python literal (`descr`, `fortran_order`, `shape`),
//! then the items, exactly as many as the shape says; an array of objects is a pickle.

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

/// Longest header; NumPy itself refuses more than 10,000 bytes.
const HEADER: usize = 64 << 10;
/// Deepest nesting of a structured type.
const DEPTH: usize = 16;

/// What the header says.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) odd: Vec<(u64, String)>,
    /// The file ends before the array does.
    pub(crate) truncated: Option<u64>,
    /// Bytes of header and items.
    pub(crate) explained: u64,
    /// Where the pickle of an array of objects begins, or may begin: where the header is not understood.
    pub(crate) pickle: Option<u64>,
    /// The array, where the header describes one.
    pub(crate) array: Option<Array>,
}

/// An array as its header describes it.
#[derive(Debug)]
pub(crate) struct Array {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    /// First byte of the items, and how many the shape demands.
    pub(crate) start: u64,
    pub(crate) bytes: u64,
}

/// Reads the header.
pub(crate) fn read(source: &dyn Source) -> Result<Facts, ReadError> {
    let mut facts = Facts::default();
    let mut head = [0; 12];
    source.read_at(0, &mut head)?;
    let [.., major, _minor, a, b, c, d] = head;
    let (len, start) = match major {
        1 => (u32::from(u16::from_le_bytes([a, b])), 10),
        _ => (u32::from_le_bytes([a, b, c, d]), 12),
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if !(1..=3).contains(&major) || len > HEADER {
        facts.odd.push((6, "a version or length of header that NumPy does not read".to_owned()));
        return Ok(facts);
    }
    let mut header = vec![0; len];
    let got = source.read_at(start, &mut header)?;
    let data = start + len as u64;
    if got < len {
        facts.truncated = Some(start);
        return Ok(facts);
    }
    let text = String::from_utf8_lossy(&header).into_owned();
    let reader = Reader { bytes: text.trim_end().as_bytes(), at: 0, longs: major < 3 };
    let Some(header) = reader.header() else {
        facts.odd.push((start, "a header that is no description of an array".to_owned()));
        // NumPy reads any literal of Python: this one may describe objects.
        facts.pickle = Some(data);
        return Ok(facts);
    };
    let Header { dtype, shape, size, objects } = header;
    facts.array = Some(Array { dtype, shape, start: data, bytes: size });
    facts.explained = data;
    if objects {
        facts.pickle = Some(data);
        return Ok(facts);
    }
    let left = source.len().saturating_sub(data);
    facts.explained += size.min(left);
    if size > left {
        facts.truncated = Some(data);
    } else if size < left {
        facts.odd.push((data + size, "bytes behind the array".to_owned()));
    }
    Ok(facts)
}

/// What a header says, the size in bytes of all items.
struct Header {
    dtype: String,
    shape: Vec<u64>,
    size: u64,
    objects: bool,
}

/// The few literals of Python that stand in a header.
#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Number(u64),
    Word,
    Sequence(Vec<Self>),
    Map(Vec<(String, Self)>),
}

struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
    /// Whether numbers may end in `L`, as Python 2 wrote them: NumPy takes that up to version 2.
    longs: bool,
}

impl Reader<'_> {
    fn header(mut self) -> Option<Header> {
        let Literal::Map(entries) = self.literal(0)? else { return None };
        if self.next_is().is_some() {
            return None;
        }
        let of = |key: &str| entries.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let whole = entries.len() == 3 && of("fortran_order") == Some(&Literal::Word);
        let Literal::Sequence(shape) = of("shape").filter(|_| whole)? else { return None };
        let descr = of("descr")?;
        let (item, objects) = item(descr)?;
        let size = count(shape)?.checked_mul(item)?;
        let sizes =
            shape.iter().filter_map(|size| if let Literal::Number(size) = size { Some(*size) } else { None });
        let dtype = if let Literal::Text(text) = descr { text.clone() } else { "structured".to_owned() };
        Some(Header { dtype, shape: sizes.collect(), size, objects })
    }

    fn next_is(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn literal(&mut self, depth: usize) -> Option<Literal> {
        if depth > DEPTH {
            return None;
        }
        match self.next_is()? {
            quote @ (b'\'' | b'"') => self.text(quote).map(Literal::Text),
            b'0'..=b'9' => {
                let digits = self.run(u8::is_ascii_digit);
                self.at += usize::from(self.longs && self.bytes.get(self.at) == Some(&b'L'));
                digits.parse().ok().map(Literal::Number)
            }
            b'T' | b'F' => {
                let word = self.run(u8::is_ascii_alphabetic);
                matches!(word.as_str(), "True" | "False").then_some(Literal::Word)
            }
            b'(' => self.sequence(b')', depth),
            b'[' => self.sequence(b']', depth),
            b'{' => self.map(depth),
            _ => None,
        }
    }

    fn run(&mut self, of: fn(&u8) -> bool) -> String {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(of) {
            self.at += 1;
        }
        String::from_utf8_lossy(self.bytes.get(start..self.at).unwrap_or_default()).into_owned()
    }

    fn text(&mut self, quote: u8) -> Option<String> {
        self.at += 1;
        let rest = self.bytes.get(self.at..)?;
        let len = rest.iter().position(|byte| *byte == quote)?;
        let text = rest.get(..len).filter(|text| !text.contains(&b'\\'))?;
        self.at += len + 1;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn sequence(&mut self, end: u8, depth: usize) -> Option<Literal> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            if self.next_is()? == end {
                self.at += 1;
                return Some(Literal::Sequence(items));
            }
            items.push(self.literal(depth + 1)?);
            if self.next_is()? == b',' {
                self.at += 1;
            } else if self.next_is()? != end {
                return None;
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Literal> {
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            if self.next_is()? == b'}' {
                self.at += 1;
                return Some(Literal::Map(entries));
            }
            let Literal::Text(key) = self.literal(depth + 1)? else { return None };
            if self.next_is()? != b':' {
                return None;
            }
            self.at += 1;
            entries.push((key, self.literal(depth + 1)?));
            if self.next_is()? == b',' {
                self.at += 1;
            }
        }
    }
}

fn count(shape: &[Literal]) -> Option<u64> {
    shape.iter().try_fold(1_u64, |sum, size| match size {
        Literal::Number(size) => sum.checked_mul(*size),
        _ => None,
    })
}

/// Bytes of one item of a type that text names, `<f4`, and whether it is an object.
pub(crate) fn item_of(descr: &str) -> Option<(u64, bool)> {
    item(&Literal::Text(descr.to_owned()))
}

/// Bytes of one item, and whether it holds objects.
fn item(descr: &Literal) -> Option<(u64, bool)> {
    match descr {
        Literal::Text(text) => {
            let rest = text.trim_start_matches(['<', '>', '|', '=']);
            let (kind, size) = rest.split_at_checked(1)?;
            let size = size.split('[').next().unwrap_or_default();
            let size: u64 = if kind == "O" && size.is_empty() { 8 } else { size.parse().ok()? };
            match kind {
                "O" => Some((size, true)),
                "U" => Some((size.checked_mul(4)?, false)),
                "b" | "i" | "u" | "f" | "c" | "S" | "a" | "V" | "m" | "M" | "?" => Some((size, false)),
                _ => None,
            }
        }
        // A structured type: (name, type) or (name, type, shape), where a name may be a pair with a title.
        Literal::Sequence(fields) => fields.iter().try_fold((0_u64, false), |(sum, objects), field| {
            let Literal::Sequence(field) = field else { return None };
            let (descr, times) = match field.as_slice() {
                [_, descr] => (descr, 1),
                [_, descr, Literal::Sequence(shape)] => (descr, count(shape)?),
                _ => return None,
            };
            let (size, has) = item(descr)?;
            Some((sum.checked_add(size.checked_mul(times)?)?, objects | has))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Verdict;

    use crate::testing::judge;

    fn array(header: &str, data: &[u8]) -> Vec<u8> {
        let len = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &len[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn an_array_is_as_long_as_its_shape() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n";
        assert_eq!(judge(&array(header, &[0; 24])).verdict, Verdict::Clean);
        assert_eq!(judge(&array(header, &[0; 23])).verdict, Verdict::Incomplete);
        assert_eq!(judge(&array(header, &[0; 25])).verdict, Verdict::Review);
        for (descr, shape, len) in [
            ("'|b1'", "()", 1),
            ("'<U3'", "(2,)", 24),
            ("'<M8[ns]'", "(2,)", 16),
            ("[('a', '<i4'), ('b', '<f8', (2, 2))]", "(3,)", 108),
        ] {
            let header = format!("{{'descr': {descr}, 'fortran_order': True, 'shape': {shape}}}\n");
            assert_eq!(judge(&array(&header, &vec![0; len])).verdict, Verdict::Clean, "{header}");
        }
        let long = "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n";
        let mut python2 = array(long, &[0; 24]);
        assert_eq!(judge(&python2).verdict, Verdict::Clean);
        python2.splice(6..10, [3, 0].into_iter().chain(u32::try_from(long.len()).unwrap().to_le_bytes()));
        assert_eq!(judge(&python2).verdict, Verdict::Review, "NumPy reads no `L` in version 3");
        for wrong in
            ["{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': f(), 'shape': ()}", "__import__('os')"]
        {
            assert_ne!(judge(&array(wrong, b"")).verdict, Verdict::Clean, "{wrong}");
        }
    }

    #[test]
    fn an_array_of_objects_is_judged_as_the_pickle_it_is() {
        let header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n";
        assert_eq!(judge(&array(header, b"\x80\x04]N\x61.")).verdict, Verdict::Clean);
        let evil = judge(&array(header, b"cos\nsystem\n(S'echo hi'\ntR."));
        assert_eq!(evil.verdict, Verdict::Malicious);
        assert_eq!(evil.findings[0].place.path, "x!/objects");
        assert_eq!(judge(&array(header, b"")).verdict, Verdict::Review);
    }
}
