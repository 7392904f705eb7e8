//! Room `model`, tests: opcodes of protocol 4 for values, each in one piece, to be put into one another.

pub(crate) fn name(module: &str, name: &str) -> Vec<u8> {
    [text(module), text(name), vec![0x93]].concat()
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    [&[0x8c, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

pub(crate) fn int(number: i32) -> Vec<u8> {
    [&b"J"[..], &number.to_le_bytes()].concat()
}

pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&[b'C', u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

pub(crate) fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [&b"("[..], &items.concat(), b"t"].concat()
}

pub(crate) fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = items.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [&b"}("[..], &items, b"u"].concat()
}

pub(crate) fn none() -> Vec<u8> {
    b"N".to_vec()
}

pub(crate) fn call(callee: Vec<u8>, arguments: &[Vec<u8>]) -> Vec<u8> {
    [callee, tuple(arguments), b"R".to_vec()].concat()
}

pub(crate) fn new(class: Vec<u8>, arguments: &[Vec<u8>]) -> Vec<u8> {
    [class, tuple(arguments), vec![0x81]].concat()
}

pub(crate) fn build(object: Vec<u8>, state: Vec<u8>) -> Vec<u8> {
    [object, state, b"b".to_vec()].concat()
}

pub(crate) fn put(value: Vec<u8>, key: u8) -> Vec<u8> {
    [value, vec![b'q', key]].concat()
}

pub(crate) fn get(key: u8) -> Vec<u8> {
    vec![b'h', key]
}

/// One after another; the last one stays.
pub(crate) fn last(values: &[Vec<u8>]) -> Vec<u8> {
    values.join(&b'0')
}
