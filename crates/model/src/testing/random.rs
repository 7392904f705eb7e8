//! Room `model`, tests: random pickles. A grammar writes streams that mostly load; mutations break some of them.

use super::build::Stream;

/// xorshift64*: the same pickles on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap() % bound
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const NAMES: &[(&str, &str)] = &[
    ("os", "system"),
    ("collections", "OrderedDict"),
    ("__builtin__", "eval"),
    ("commands", "getoutput"),
    ("a.b", "c.d"),
    ("builtins", "getattr"),
    ("copyreg", "_reconstructor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("größe", "名"),
    ("x", "_y1"),
];

/// A pickle: three of four are whole, the rest is broken somewhere.
pub(crate) fn pickle(random: &mut Random) -> Vec<u8> {
    let mut bytes = whole(random);
    if random.below(4) == 0 {
        for _ in 0..=random.below(3) {
            mutate(random, &mut bytes);
        }
    }
    bytes
}

/// Heights of the stack as the grammar believes them to be: the last is above the newest mark.
struct Heights(Vec<usize>);

impl Heights {
    fn top(&mut self) -> &mut usize {
        self.0.last_mut().unwrap()
    }
}

fn whole(random: &mut Random) -> Vec<u8> {
    let protocol = u8::try_from(random.below(6)).unwrap();
    let mut stream = if protocol < 2 { Stream::bare() } else { Stream::protocol(protocol) };
    let mut heights = Heights(vec![0]);
    let mut memo = 0;
    let steps = 3 + random.below(30);
    for _ in 0..steps {
        if protocol >= 4 && random.below(12) == 0 {
            let len = random.pick(&[0, 1, 3, 9, 20, 40, 80, 1 << 40]);
            stream = stream.frame(len);
        }
        stream = step(random, stream, &mut heights, &mut memo);
    }
    while heights.0.len() > 1 {
        stream = stream.op(b't');
        heights.0.pop();
        *heights.top() += 1;
    }
    if *heights.top() == 0 {
        stream = stream.op(b'N');
    }
    let bytes = stream.stop();
    if random.below(16) == 0 { [bytes, whole(random)].concat() } else { bytes }
}

fn step(random: &mut Random, stream: Stream, heights: &mut Heights, memo: &mut u32) -> Stream {
    let height = *heights.top();
    let (module, name) = random.pick(NAMES);
    match random.below(32) {
        0..=4 => {
            *heights.top() += 1;
            constant(random, stream)
        }
        5..=7 => {
            *heights.top() += 1;
            text(random, stream, name)
        }
        8 => {
            *heights.top() += 1;
            stream.global(module, name)
        }
        9..=11 => {
            *heights.top() += 1;
            let stream = text(random, stream, module);
            let stream = memoize(random, stream, memo);
            text(random, stream, name).op(0x93)
        }
        12 => {
            heights.0.push(0);
            stream.op(b'(')
        }
        13 if heights.0.len() > 1 => {
            heights.0.pop();
            *heights.top() += 1;
            let opcode = random.pick(b"tld\x91");
            stream.op(opcode)
        }
        14 if heights.0.len() > 1 => {
            heights.0.pop();
            *heights.top() += 1;
            if random.below(2) == 0 { stream.raw(format!("i{module}\n{name}\n")) } else { stream.op(b'o') }
        }
        15 if heights.0.len() > 1 => {
            heights.0.pop();
            let opcode = random.pick(b"eu1\x90");
            stream.op(opcode)
        }
        16..=18 if height >= 1 => {
            let stream = memoize(random, stream, memo);
            if *memo > 0 && random.below(2) == 0 {
                *heights.top() += 1;
                let key = u8::try_from(random.below(usize::try_from(*memo).unwrap() + 1)).unwrap_or(255);
                match random.below(3) {
                    0 => stream.raw([b'h', key]),
                    1 => stream.op(b'j').raw(u32::from(key).to_le_bytes()),
                    _ => stream.raw(format!("g{}{key}{}\n", random.pick(SPACES), random.pick(SPACES))),
                }
            } else {
                stream
            }
        }
        19..=21 if height >= 2 => {
            *heights.top() -= 1;
            let opcode = random.pick(b"R\x81baR\x81");
            stream.op(opcode)
        }
        22 if height >= 3 => {
            *heights.top() -= 2;
            let opcode = random.pick(b"s\x92\x87");
            stream.op(opcode)
        }
        23 if height >= 1 => {
            let (opcode, change) = random.pick(&[(b'0', 0), (b'2', 2), (0x85, 1), (b'Q', 1)]);
            *heights.top() = height - 1 + change;
            stream.op(opcode)
        }
        24 => stream.raw([0x80, random.pick(&[0, 2, 3, 4, 5, 6])]),
        25 => {
            *heights.top() += 1;
            let code = random.pick(&[&b"\x82\x01"[..], b"\x83\x01\x00", b"\x84\x01\x00\x00\x00", b"Pid\n"]);
            stream.raw(code)
        }
        _ => {
            *heights.top() += 2;
            let stream = stream.global(module, name);
            if random.below(2) == 0 { stream.op(b')') } else { text(random, stream, "x").op(0x85) }
        }
    }
}

fn constant(random: &mut Random, stream: Stream) -> Stream {
    const CONSTANTS: &[&[u8]] = &[
        b"N",
        b"\x88",
        b"]",
        b"}",
        b")",
        b"\x8f",
        b"K\x07",
        b"M\x07\x01",
        b"J\x01\x02\x03\x04",
        b"I12\n",
        b"I01\n",
        b"L12L\n",
        b"F1.5\n",
        b"G\x3f\xf0\x00\x00\x00\x00\x00\x00",
        b"\x8a\x02\x01\x02",
        b"C\x02ab",
        b"B\x02\x00\x00\x00ab",
        b"\x8a\x00",
        b"\x96\x02\x00\x00\x00\x00\x00\x00\x00ab",
        b"I 0x1f \n",
        b"\x8e\x01\x00\x00\x00\x00\x00\x00\x00a",
        b"\x8b\x01\x00\x00\x00a",
        // Odd spaces, NUL, octal numbers: what C takes for a number, or Python, or neither.
        b"I5\0x\n",
        b"I\x0b3\n",
        b"I010\n",
        b"I\0\n",
        b"I08\n",
        b"L5\0x\n",
        b"L\x0b3\x0b\n",
        b"F 1\n",
        b"F1 \n",
        b"F1\0zz\n",
        b"F1_0\n",
        // State that goes nowhere: for both unpicklers, for one, for neither.
        b"K\x01Nb",
        b"N}b",
        b"N)b",
        b"KbNN\x86b",
        b"]N}\x86b",
        b"NK\x01b",
    ];
    let constant = random.pick(CONSTANTS);
    stream.raw(constant)
}

fn text(random: &mut Random, stream: Stream, text: &str) -> Stream {
    let len = u32::try_from(text.len()).unwrap();
    match random.below(6) {
        0 => stream.op(b'X').raw(len.to_le_bytes()).raw(text),
        1 => stream.op(0x8d).raw(u64::from(len).to_le_bytes()).raw(text),
        2 => {
            let letters = text.chars().map(|letter| format!("\\u{:04x}", u32::from(letter)));
            stream.raw(format!("V{}\n", letters.collect::<Vec<_>>().concat()))
        }
        3 if text.is_ascii() => {
            let bytes = text.bytes().map(|byte| format!("\\x{byte:02x}"));
            stream.raw(format!("S'{}'\n", bytes.collect::<Vec<_>>().concat()))
        }
        4 if text.is_ascii() => stream.raw([b'U', u8::try_from(len).unwrap()]).raw(text),
        _ => stream.text(text),
    }
}

/// What may stand around a number; NUL ends it for C alone.
const SPACES: &[&str] = &["", "", "", " ", "\x0b", "\t", "\0x"];

fn memoize(random: &mut Random, stream: Stream, memo: &mut u32) -> Stream {
    let key = *memo;
    *memo += 1;
    match random.below(6) {
        0 => stream.raw([b'q', u8::try_from(key).unwrap_or(255)]),
        1 => stream.op(b'r').raw(key.to_le_bytes()),
        2 => stream.raw(format!("p{}{key}{}\n", random.pick(SPACES), random.pick(SPACES))),
        3 => stream.op(0x94).raw([b'q', 0]),
        _ => stream.op(0x94),
    }
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len().max(1));
    let opcodes =
        b"(.012FIJKLMNPQRSTUVX}])abcdeghijlopqrstuBCG\x80\x81\x82\x85\x86\x8a\x8c\x93\x94\x95\x00\xff";
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.pick(opcodes)),
        2 if !bytes.is_empty() => bytes[at] = random.pick(opcodes),
        3 if !bytes.is_empty() => _ = bytes.remove(at),
        _ => {
            let piece = bytes[at..].to_vec();
            bytes.extend(piece);
        }
    }
}
