//! Room `model`, format `gguf`, tests: files made here, every flaw told, and PyPI's gguf as the judge of what is ordinary.

use ringfence_finding::GapReason;
use ringfence_finding::ModelFile;
use ringfence_finding::Verdict;

use crate::testing::judge;
use crate::testing::python;

/// A file being written, in either byte order.
#[derive(Clone)]
struct Write {
    is_big: bool,
    keys: u64,
    head: Vec<u8>,
    tensors: u64,
    table: Vec<u8>,
}

impl Write {
    fn new(is_big: bool) -> Self {
        Self { is_big, keys: 0, head: vec![], tensors: 0, table: vec![] }
    }

    fn u32(&self, number: u32) -> Vec<u8> {
        if self.is_big { number.to_be_bytes().into() } else { number.to_le_bytes().into() }
    }

    fn u64(&self, number: u64) -> Vec<u8> {
        if self.is_big { number.to_be_bytes().into() } else { number.to_le_bytes().into() }
    }

    fn text(&self, text: &str) -> Vec<u8> {
        [self.u64(text.len() as u64), text.as_bytes().to_vec()].concat()
    }

    fn key(mut self, name: &str, kind: u32, value: &[u8]) -> Self {
        self.head = [self.head.clone(), self.text(name), self.u32(kind), value.to_vec()].concat();
        self.keys += 1;
        self
    }

    fn key_text(self, name: &str, text: &str) -> Self {
        let value = self.text(text);
        self.key(name, 8, &value)
    }

    fn tensor(mut self, name: &str, sizes: &[u64], kind: u32, offset: u64) -> Self {
        let sizes: Vec<u8> = sizes.iter().flat_map(|size| self.u64(*size)).collect();
        let count = u32::try_from(sizes.len() / 8).unwrap();
        let row = [self.text(name), self.u32(count), sizes, self.u32(kind), self.u64(offset)].concat();
        self.table.extend(row);
        self.tensors += 1;
        self
    }

    /// The table, padding to 32, and `data` bytes.
    fn file(&self, data: usize) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend([self.u32(3), self.u64(self.tensors), self.u64(self.keys)].concat());
        file.extend([&self.head[..], &self.table].concat());
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(vec![7; data]);
        file
    }
}

fn ordinary(is_big: bool) -> Write {
    let write = Write::new(is_big);
    let names = [write.u32(8), write.u64(2), write.text("<s>"), write.text("größe")].concat();
    let numbers = [write.u32(6), write.u64(3), vec![0; 12]].concat();
    let bools = [write.u32(7), write.u64(2), vec![0, 1]].concat();
    write
        .key_text("general.architecture", "llama")
        .key("llama.block_count", 10, &Write::new(is_big).u64(2))
        .key("tokenizer.ggml.tokens", 9, &names)
        .key("tokenizer.ggml.scores", 9, &numbers)
        .key("x.flags", 9, &bools)
        .key("x.flag", 7, &[1])
        .key_text("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}")
        .tensor("a.weight", &[32, 2], 2, 0)
        .tensor("b.weight", &[5], 0, 64)
}

/// `a` has 36 bytes and ends in padding to 64, `b` has 20.
const DATA: usize = 64 + 20;

fn words(file: &ModelFile) -> String {
    file.findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("; ")
}

/// The ordinary file with its padding empty.
fn whole(write: &Write, data: usize) -> Vec<u8> {
    let mut file = write.file(data);
    let start = file.len() - data;
    file[start + 36..start + 64].fill(0);
    file
}

#[test]
fn an_ordinary_file_is_clean_in_both_byte_orders() {
    for is_big in [false, true] {
        let file = judge(&whole(&ordinary(is_big), DATA));
        assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{file:#?}");
        assert_eq!(file.formats, ["gguf"]);
        let mut padded = whole(&ordinary(is_big), DATA);
        padded.resize(padded.len() + 12, 0);
        assert_eq!(judge(&padded).verdict, Verdict::Clean, "padding behind the last tensor");
        let empty = Write::new(is_big).file(0);
        assert_eq!(judge(&empty).verdict, Verdict::Clean, "no keys, no tensors");
    }
}

#[test]
fn each_flaw_of_the_layout_is_told() {
    let base = || ordinary(false);
    let write = Write::new(false);
    for (file, flaw) in [
        (whole(&base().key_text("x.flag", "a"), DATA), "key x.flag is there twice"),
        (whole(&base().tensor("a.weight", &[1], 0, 96), DATA + 44), "tensor a.weight is there twice"),
        (whole(&base().tensor("c", &[1], 0, 32), DATA), "overlaps another"),
        (whole(&base().tensor("c", &[1], 0, 128), DATA + 48), "leaves a hole"),
        (whole(&base().tensor("c", &[1], 0, 90), DATA + 10), "not aligned"),
        (whole(&base().tensor("c", &[1], 4, 96), DATA), "type 4"),
        (whole(&base().tensor("c", &[31], 2, 96), DATA), "no multiple of 32"),
        (whole(&base().tensor("c", &[1 << 62, 8], 0, 96), DATA), "beyond all measure"),
        (whole(&base().tensor("c", &[1], 0, !31), DATA), "beyond all measure"),
        (whole(&base().tensor(&"n".repeat(200), &[1], 0, 96), DATA), "a name of 200 bytes"),
        (whole(&base().tensor("c\0d", &[1], 0, 96), DATA + 16), "NUL"),
        (whole(&base().tensor("c", &[1, 1, 1, 1, 1], 0, 96), DATA), "5 dimensions"),
        (whole(&base().key("x.y", 13, b""), DATA), "type 13"),
        (whole(&base().key("x.y", 7, &[2]), DATA), "neither 0 nor 1"),
        (whole(&base().key("general.alignment", 4, &write.u32(0)), DATA), "an alignment of 0"),
        (whole(&base().key("general.alignment", 4, &write.u32(48)), DATA), "an alignment of 48"),
        (whole(&base().key("general.alignment", 10, &write.u64(32)), DATA), "no u32"),
        (whole(&base().key("tokenizer.chat_template.a", 4, &write.u32(1)), DATA), "is no text"),
        (
            whole(
                &base().key(
                    "x",
                    9,
                    &[write.u32(9), write.u64(1), write.u32(0), write.u64(1), vec![1]].concat(),
                ),
                DATA,
            ),
            "array of arrays",
        ),
        (whole(&base().key("split.no", 2, &[3, 0]).key("split.count", 2, &[2, 0]), DATA), "part 3"),
        (whole(&base(), DATA + 40), "behind the last tensor"),
        (base().file(DATA), "padding that is not empty"),
    ] {
        let judged = judge(&file);
        assert_eq!(judged.verdict, Verdict::Review, "{flaw}: {judged:#?}");
        assert!(words(&judged).contains(flaw), "{flaw}: {}", words(&judged));
        assert!(judged.findings.iter().all(|finding| finding.id.number == 147));
    }
}

#[test]
fn an_alignment_of_the_file_is_used() {
    let write =
        Write::new(false).key("general.alignment", 4, &Write::new(false).u32(64)).tensor("a", &[1], 0, 0);
    let mut file = write.file(0);
    file.resize(file.len().next_multiple_of(64), 0);
    file.extend([1, 2, 3, 4]);
    assert_eq!(judge(&file).verdict, Verdict::Clean);
}

#[test]
fn what_is_missing_or_too_much_is_incomplete() {
    let file = whole(&ordinary(false), DATA);
    for end in 4..file.len() {
        let judged = judge(&file[..end]);
        assert_ne!(judged.verdict, Verdict::Clean, "{end}");
        assert!(judged.gaps.iter().any(|gap| gap.reason == GapReason::Truncated), "{end}: {judged:#?}");
    }
    for (at, bytes, reason) in [
        (4, &1_u32.to_le_bytes()[..], GapReason::Unsupported),
        (4, &4_u32.to_le_bytes(), GapReason::Unsupported),
        (8, &(1_u64 << 40).to_le_bytes(), GapReason::Budget),
        (16, &u64::MAX.to_le_bytes(), GapReason::Budget),
    ] {
        let mut changed = file.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        let judged = judge(&changed);
        assert!(judged.gaps.iter().any(|gap| gap.reason == reason), "{judged:#?}");
    }
}

#[test]
fn templates_are_judged_and_found_at_their_byte() {
    let evil = "{{ cycler.__init__ }}";
    for key in ["tokenizer.chat_template", "tokenizer.chat_template.tool_use"] {
        let file = Write::new(false).key_text("general.name", "m").key_text(key, evil).file(0);
        let judged = judge(&file);
        assert_eq!((judged.verdict, judged.findings[0].id.number), (Verdict::Malicious, 146), "{judged:#?}");
        let at = usize::try_from(judged.findings[0].place.offset).unwrap();
        assert_eq!(&file[at..at + 6], b"cycler");
    }
}

/// Block sizes, then files as PyPI's gguf writes them, each as a line of hex.
const WRITER: &str = r"
import io, os, sys, tempfile
import gguf, numpy
print(' '.join('%d:%d:%d' % (kind.value, *gguf.GGML_QUANT_SIZES[kind]) for kind in gguf.GGMLQuantizationType))
for endian in (gguf.GGUFEndian.LITTLE, gguf.GGUFEndian.BIG):
    for alignment in (None, 64):
        path = tempfile.mktemp()
        writer = gguf.GGUFWriter(path, 'llama', endianess=endian)
        if alignment: writer.add_custom_alignment(alignment)
        writer.add_name('größe'); writer.add_block_count(2); writer.add_context_length(2048)
        writer.add_token_list(['<s>', '</s>', 'a' * 300]); writer.add_token_scores([0.0, 1.0, 2.0])
        writer.add_token_types([1, 2, 3]); writer.add_add_bos_token(True); writer.add_rope_freq_base(1e4)
        writer.add_chat_template([{'name': 'default', 'template': '{{ bos_token }}'}, {'name': 'tool_use', 'template': '{{ messages[0].content }}'}])
        writer.add_tensor('token_embd.weight', numpy.ones((3, 5), dtype=numpy.float32))
        writer.add_tensor('a.weight', numpy.ones((7,), dtype=numpy.float16))
        q = gguf.quants.quantize(numpy.ones((4, 64), dtype=numpy.float32), gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor('q.weight', q, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor('i', numpy.arange(3, dtype=numpy.int32)); writer.add_tensor('d', numpy.ones((1, 1, 2, 2), dtype=numpy.float64))
        writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file(); writer.close()
        print(open(path, 'rb').read().hex()); os.unlink(path)
";

#[test]
#[ignore = "needs model-peers: writes files with PyPI's gguf and compares its table of block sizes"]
fn what_the_formats_own_library_writes_is_clean() {
    let printed = python::peers(WRITER, b"");
    let mut lines = printed.lines();
    let sizes = lines.next().unwrap();
    let ours: Vec<String> = super::tensor::blocks()
        .iter()
        .map(|(kind, items, bytes)| format!("{kind}:{items}:{bytes}"))
        .collect();
    assert_eq!(sizes, ours.join(" "));
    let mut count = 0;
    for line in lines {
        let file = judge(&python::bytes(line));
        assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{file:#?}");
        count += 1;
    }
    assert_eq!(count, 4);
}

/// Whether PyPI's gguf reads each file, in two seconds of its own and 2 GiB: it trusts counts.
const READER: &str = r"
import os, resource, signal, struct, sys, tempfile
import gguf
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
def late(*_): raise TimeoutError
signal.signal(signal.SIGVTALRM, late)
data = sys.stdin.buffer
while head := data.read(4):
    path = tempfile.mktemp()
    open(path, 'wb').write(data.read(struct.unpack('<I', head)[0]))
    signal.setitimer(signal.ITIMER_VIRTUAL, 2)
    try:
        reader = gguf.GGUFReader(path)
        print('|'.join('%s@%d+%d' % (t.name, t.data_offset, t.n_bytes) for t in reader.tensors))
    except Exception as error: print('error', type(error).__name__)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    os.unlink(path)
";

#[test]
#[ignore = "needs model-peers: reads changed files with PyPI's gguf"]
fn whatever_the_formats_own_library_refuses_is_not_clean() {
    let file = whole(&ordinary(false), DATA);
    let head = file.len() - DATA;
    let mut changed = Vec::new();
    for at in 4..head {
        let mut bytes = file.clone();
        bytes[at] ^= 0x01;
        changed.push(bytes);
    }
    let printed = python::peers(READER, &python::frames(changed.iter().map(Vec::as_slice)));
    let (mut refused, mut clean) = (0, 0);
    for (bytes, line) in changed.iter().zip(printed.lines()) {
        let judged = judge(bytes);
        refused += usize::from(line.starts_with("error"));
        clean += usize::from(judged.verdict == Verdict::Clean);
        let is_both = line.starts_with("error") && judged.verdict == Verdict::Clean;
        assert!(!is_both, "{line}: {:?}", changed.iter().position(|each| each == bytes));
    }
    println!("{} files, {refused} refused by the peer, {clean} clean", changed.len());
    assert_eq!(printed.lines().count(), changed.len());
    assert!(refused > 50 && clean > 50, "{refused} {clean}");
}

#[test]
fn names_beyond_the_memory_of_one_file_are_a_gap() {
    let mut file = Write::new(false);
    for at in 0..300 {
        file.head.extend(file.text(&format!("{at:060000}")));
        file.head.extend([file.u32(4), file.u32(1)].concat());
        file.keys += 1;
    }
    let judged = judge(&file.file(0));
    assert_eq!((judged.verdict, judged.gaps[0].reason), (Verdict::Incomplete, GapReason::Budget));
    assert!(judged.gaps[0].message.contains("bytes of names"), "{}", judged.gaps[0].message);
}
