//! Room `model`, inspection, tests: files built by hand, so that what must be listed is known from how they were made.

#[path = "../../../../fuzz/replay.rs"]
mod replay;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use ringfence_artifact::Slice;
use ringfence_artifact::Source;
use ringfence_finding::ModelInspection;
use ringfence_finding::ModelTensor;
use ringfence_finding::SpanKind;
use ringfence_finding::Verdict;

use super::Wish;
use super::look;
use crate::Limits;
use crate::Policy;
use crate::container::stream::Codec;
use crate::container::stream::tests::pack;
use crate::container::zip::testing::Write as Entry;
use crate::container::zip::testing::archive;
use crate::testing::build::Stream;

fn inspect_with(bytes: &[u8], limit: usize, member: Option<&str>) -> ModelInspection {
    let source: Arc<dyn Source> = Arc::new(Slice::new(bytes));
    let wish = Wish { limit, coverage: true, member: member.map(str::to_owned) };
    look("x", &source, Policy::embedded(), &Limits::default(), &wish)
}

fn inspect(bytes: &[u8]) -> ModelInspection {
    inspect_with(bytes, 100, None)
}

/// `member name dtype shape bytes @offset` of each tensor.
fn tensors(inspection: &ModelInspection) -> Vec<String> {
    let line = |tensor: &ModelTensor| {
        let ModelTensor { member, name, dtype, shape, bytes, .. } = tensor;
        let offset = tensor.offset.map(|offset| format!(" @{offset}")).unwrap_or_default();
        let elsewhere = tensor.elsewhere.as_ref().map(|file| format!(" in {file}")).unwrap_or_default();
        format!("{member} {name} {dtype} {shape:?} {bytes}{offset}{elsewhere}")
    };
    inspection.tensors.iter().map(line).collect()
}

fn entries(inspection: &ModelInspection) -> Vec<String> {
    inspection.metadata.iter().map(|entry| format!("{}={}", entry.key, entry.value)).collect()
}

/// `start..end kind name` of a stream.
fn spans(inspection: &ModelInspection, path: &str) -> Vec<String> {
    let stream = inspection.streams.iter().find(|stream| stream.path == path).unwrap();
    stream
        .spans
        .iter()
        .map(|span| format!("{}..{} {} {}", span.start, span.end, span.what.as_str(), span.name))
        .collect()
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![7; data]].concat()
}

#[test]
fn safetensors_lists_tensors_metadata_and_every_byte() {
    let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}"#;
    let seen = inspect(&safetensors(header, 33));
    let data = 8 + header.len();
    assert_eq!(
        tensors(&seen),
        [format!("x a F32 [2, 3] 24 @{data}"), format!("x b BF16 [4] 8 @{}", data + 24)]
    );
    assert_eq!(entries(&seen), ["format=pt"]);
    let totals: Vec<_> = seen
        .totals
        .iter()
        .map(|total| (total.dtype.as_str(), total.tensors, total.parameters, total.bytes))
        .collect();
    assert_eq!(totals, [("F32", 1, 6, 24), ("BF16", 1, 4, 8)]);
    let end = data + 32;
    assert_eq!(
        spans(&seen, "x"),
        [
            "0..8 parsed length of the header".to_owned(),
            format!("8..{data} parsed header"),
            format!("{data}..{} tensor a", data + 24),
            format!("{}..{end} tensor b", data + 24),
            format!("{end}..{} unexplained ", end + 1),
        ]
    );
    assert_eq!(seen.scan.files[0].verdict, Verdict::Review, "the byte behind the last tensor");
}

#[test]
fn the_largest_are_listed_and_the_rest_is_counted() {
    let mut header = String::from("{");
    for number in 0..500 {
        let end = (number + 1) * number / 2;
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            header,
            r#"{comma}"t{number}":{{"dtype":"U8","shape":[{number}],"data_offsets":[{},{end}]}}"#,
            end - number
        );
    }
    let seen = inspect_with(&safetensors(&(header + "}"), 500 * 499 / 2), 3, None);
    let names: Vec<_> = seen.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.bytes)).collect();
    assert_eq!(names, [("t499", 499), ("t498", 498), ("t497", 497)]);
    assert_eq!((seen.tensor_count(), seen.totals[0].parameters), (500, 500 * 499 / 2));
    let stream = &seen.streams[0];
    assert_eq!((stream.spans.len(), stream.more_spans), (3, 499));
    assert_eq!(stream.spans[2].end, stream.bytes, "nothing is left out of the map");
    assert_eq!(stream.explained, stream.bytes);
}

/// A tensor of 2 x 3 floats at item `offset` of storage `key`.
fn tensor(stream: Stream, key: &str, offset: u8) -> Stream {
    let id = stream.global("torch._utils", "_rebuild_tensor_v2").raw(b"((").text("storage");
    let id =
        id.global("torch", "FloatStorage").text(key).text("cpu").raw([b'K', 7, b't', b'Q', b'K', offset]);
    id.raw(b"K\x02K\x03\x86K\x03K\x01\x86\x89").global("collections", "OrderedDict").raw(b")RtR")
}

/// `{"epoch": 3, "model": OrderedDict(w=tensor), "opt": {"state": {0: {"m": tensor}}}}`
fn checkpoint() -> Vec<u8> {
    let stream = Stream::protocol(2).raw(b"}(").text("epoch").raw(b"K\x03").text("model");
    let stream = tensor(stream.global("collections", "OrderedDict").raw(b")R").text("w"), "0", 0).raw(b"s");
    let stream = stream.text("opt").raw(b"}").text("state").raw(b"}K\x00}").text("m");
    tensor(stream, "0", 1).raw(b"sssu").stop()
}

#[test]
fn a_torch_zip_lists_tensors_by_the_way_to_them() {
    let file = archive(&[
        Entry { name: "m/data.pkl", data: &checkpoint(), deflate: false },
        Entry { name: "m/byteorder", data: b"little", deflate: false },
        Entry { name: "m/data/0", data: &[1; 28], deflate: false },
        Entry { name: "m/version", data: b"3\n", deflate: false },
    ]);
    let seen = inspect(&file);
    assert_eq!(seen.scan.files[0].verdict, Verdict::Clean, "{:?}", seen.scan.files[0]);
    assert_eq!(
        tensors(&seen),
        ["x!/m/data.pkl model.w float [2, 3] 24", "x!/m/data.pkl opt.state.0.m float [2, 3] 24"]
    );
    assert_eq!(entries(&seen), ["epoch=3", "byteorder=little", "version=3"]);
    let told = spans(&seen, "x");
    assert!(told.iter().any(|span| span.ends_with("tensor m/data/0")), "{told:?}");
    assert!(told.iter().any(|span| span.ends_with("member m/data.pkl")), "{told:?}");
    assert_eq!(spans(&seen, "x!/m/data.pkl"), [format!("0..{} parsed opcodes", checkpoint().len())]);
    // One member alone.
    let inner = inspect_with(&file, 100, Some("m/data.pkl"));
    assert_eq!((inner.streams.len(), tensors(&inner)), (1, tensors(&seen)));
    assert_eq!(entries(&inner), ["epoch=3"]);
    assert!(inspect_with(&file, 100, Some("m/data")).streams.is_empty(), "a part of a name is no name");
}

#[test]
fn what_is_packed_is_listed_with_its_way() {
    let inner = archive(&[
        Entry { name: "m/data.pkl", data: &checkpoint(), deflate: true },
        Entry { name: "m/data/0", data: &[1; 28], deflate: false },
    ]);
    let outer = archive(&[Entry { name: "b.pt", data: &inner, deflate: true }]);
    let seen = inspect(&pack(Codec::Gzip, &outer));
    assert_eq!(seen.tensors[0].member, "x!/content!/b.pt!/m/data.pkl");
    let paths: Vec<_> = seen.streams.iter().map(|stream| stream.path.as_str()).collect();
    assert_eq!(paths, ["x", "x!/content", "x!/content!/b.pt", "x!/content!/b.pt!/m/data.pkl"]);
    assert!(seen.streams.iter().all(|stream| stream.explained == stream.bytes), "{:#?}", seen.streams);
}

#[test]
fn torch_before_1_6_says_where_its_numbers_are() {
    let about = Stream::protocol(2).raw(b"}").text("little_endian").raw(b"\x88s").stop();
    let keys = Stream::protocol(2).raw(b"]").text("0").raw(b"a").stop();
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let head = [&magic[..], b"\x80\x02M\xe9\x03.", &about, &checkpoint(), &keys].concat();
    let seen = inspect(&[&head[..], &7_u64.to_le_bytes(), &[1; 28]].concat());
    assert_eq!(seen.scan.files[0].verdict, Verdict::Clean, "{:?}", seen.scan.files[0]);
    let data = head.len() + 8;
    let told = [
        format!("x model.w float [2, 3] 24 @{data}"),
        format!("x opt.state.0.m float [2, 3] 24 @{}", data + 4),
    ];
    assert_eq!(tensors(&seen), told);
    assert_eq!(spans(&seen, "x")[1], format!("{data}..{} tensor storage 0", data + 28));
}

#[test]
fn npy_npz_and_joblib_list_arrays() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
    let npy = [
        b"\x93NUMPY\x01\x00",
        &u16::try_from(header.len()).unwrap().to_le_bytes()[..],
        header.as_bytes(),
        &[0; 24],
    ]
    .concat();
    let start = npy.len() - 24;
    let seen = inspect(&npy);
    assert_eq!(tensors(&seen), [format!("x array <f4 [2, 3] 24 @{start}")]);
    assert_eq!(
        spans(&seen, "x"),
        [format!("0..{start} parsed header"), format!("{start}..{} tensor array", npy.len())]
    );
    let npz = inspect(&archive(&[Entry { name: "w.npy", data: &npy, deflate: true }]));
    assert_eq!(tensors(&npz), [format!("x!/w.npy array <f4 [2, 3] 24 @{start}")]);

    let stream =
        Stream::protocol(4).raw(b"}").text("w").stack_global("joblib.numpy_pickle", "NumpyArrayWrapper");
    let stream =
        stream.raw(b")\x81}(").text("subclass").stack_global("numpy", "ndarray").text("order").text("C");
    let stream =
        stream.text("shape").raw(b"K\x02K\x03\x86").text("dtype").stack_global("numpy", "dtype").text("f8");
    let stream =
        stream.raw(b"\x89\x88\x87R(K\x03").text("<").raw(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb");
    let stream = stream.text("allow_mmap").raw(b"\x89").text("numpy_array_alignment_bytes").raw(b"K\x10ub");
    let start = stream.0.len() + 3;
    let seen = inspect(&stream.raw(b"\x02\xff\xff").raw([0x3f; 48]).raw(b"s").stop());
    assert_eq!(seen.scan.files[0].verdict, Verdict::Clean, "{:?}", seen.scan.files[0]);
    assert_eq!(tensors(&seen), [format!("x w <f8 [2, 3] 48 @{start}")]);
    assert_eq!(spans(&seen, "x")[1], format!("{}..{} tensor array of joblib", start - 3, start + 48));
}

#[test]
fn a_dict_under_many_keys_is_gone_through_once() {
    let shared = Stream::protocol(4).raw(b"}(").raw(b"K\x07N".repeat(3000)).raw(b"uq\x000");
    let seen = inspect(&shared.raw(b"}(").raw(b"K\x01h\x00K\x02h\x00".repeat(1500)).raw(b"u").stop());
    assert_eq!((seen.metadata.len(), seen.more_metadata), (1000, 2000));
    assert!(entries(&seen).iter().all(|entry| entry == "1.7=None"), "by the first way that leads there");
}

#[test]
fn attributes_behind_many_others_are_not_looked_for_and_that_is_told() {
    let wrapper = |before: usize| {
        let stream =
            Stream::protocol(4).raw(b"}").text("w").stack_global("joblib.numpy_pickle", "NumpyArrayWrapper");
        let stream = stream.raw(b")\x81}(").raw(b"NN".repeat(before)).text("dtype");
        let stream = stream.stack_global("numpy", "dtype").text("f8").raw(b"\x89\x88\x87R");
        inspect(&stream.text("shape").raw(b"K\x02\x85ubs").stop())
    };
    let (near, far) = (wrapper(30), wrapper(31));
    assert_eq!((near.tensor_count(), far.tensor_count()), (1, 0), "{:?}", near.tensors);
    assert!(far.is_cut);
}

#[test]
fn gguf_lists_tensors_with_their_types_and_values() {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let u32 = |number: u32| number.to_le_bytes().to_vec();
    let u64 = |number: u64| number.to_le_bytes().to_vec();
    let mut file = [b"GGUF".to_vec(), u32(3), u64(2), u64(4)].concat();
    file.extend([text("general.architecture"), u32(8), text("llama")].concat());
    file.extend([text("rope.scale"), u32(6), 0.5_f32.to_le_bytes().to_vec()].concat());
    file.extend([text("offset"), u32(11), (-7_i64).to_le_bytes().to_vec()].concat());
    file.extend([text("tokens"), u32(9), u32(8), u64(10), text("t").repeat(10)].concat());
    // 64 x 2 in Q8_0: 4 blocks of 34 bytes; then 3 floats, aligned to 32.
    file.extend([text("blk.0"), u32(2), u64(64), u64(2), u32(8), u64(0)].concat());
    file.extend([text("norm"), u32(1), u64(3), u32(0), u64(160)].concat());
    let table = file.len();
    let data = table.next_multiple_of(32);
    file.resize(data + 136, 0);
    file.resize(data + 160, 0);
    file.resize(data + 172, 1);
    file.resize((data + 172).next_multiple_of(32), 0);
    let seen = inspect(&file);
    assert_eq!(seen.scan.files[0].verdict, Verdict::Clean, "{:?}", seen.scan.files[0]);
    assert_eq!(
        tensors(&seen),
        [format!("x blk.0 Q8_0 [2, 64] 136 @{data}"), format!("x norm F32 [3] 12 @{}", data + 160)]
    );
    let values = [
        "general.architecture=llama",
        "rope.scale=0.5",
        "offset=-7",
        "tokens=[t, t, t, t, t, t, t, t, ... (10)]",
    ];
    assert_eq!(entries(&seen), values);
    let kinds: Vec<_> = seen.streams[0].spans.iter().map(|span| span.what).collect();
    let mut expected = vec![SpanKind::Parsed];
    if data > table {
        expected.push(SpanKind::Padding);
    }
    expected.extend([SpanKind::Tensor, SpanKind::Padding, SpanKind::Tensor]);
    if (data + 172) % 32 != 0 {
        expected.push(SpanKind::Padding);
    }
    assert_eq!(kinds, expected);
}

#[test]
fn onnx_lists_initializers_and_what_the_model_says() {
    let field =
        |number: u8, bytes: &[u8]| [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let int = |number: u8, value: u8| vec![number << 3, value];
    let raw = field(9, &[0; 24]);
    let inside = [int(1, 2), int(1, 3), int(2, 1), field(8, b"w"), raw].concat();
    let entry = |key: &[u8], value: &[u8]| field(13, &[field(1, key), field(2, value)].concat());
    let outside = [
        int(1, 4),
        int(2, 10),
        field(8, b"e"),
        entry(b"location", b"w.bin"),
        entry(b"length", b"8"),
        int(14, 1),
    ]
    .concat();
    let graph = field(7, &[field(5, &inside), field(5, &outside)].concat());
    let opset = field(8, &[field(1, b""), int(2, 17)].concat());
    let note = [&[14 << 3 | 2, 10], &field(1, b"run")[..], &field(2, b"abc")].concat();
    let model = [int(1, 8), field(2, b"pytorch"), graph, opset, note].concat();
    let seen = inspect(&model);
    let at = memchr::memmem::find(&model, &[0; 24]).unwrap();
    assert_eq!(
        tensors(&seen),
        [format!("x w FLOAT [2, 3] 24 @{at}"), "x e FLOAT16 [4] 8 in w.bin".to_owned()]
    );
    let mut said = entries(&seen);
    said.sort();
    assert_eq!(said, ["ir_version=8", "opset ai.onnx=17", "producer_name=pytorch", "run=abc"]);
    assert!(spans(&seen, "x").contains(&format!("{at}..{} tensor w", at + 24)), "{:?}", spans(&seen, "x"));
    assert_eq!(seen.scan.files[0].verdict, Verdict::Incomplete, "its data is beside it");
}

#[test]
fn an_unknown_file_is_wholly_unexplained_and_text_is_text() {
    let seen = inspect(b"\x01no format");
    assert_eq!(spans(&seen, "x"), ["0..10 unexplained "]);
    let seen = inspect(b"{\"a\": 1}");
    assert_eq!(spans(&seen, "x"), ["0..8 text json"]);
    let behind = inspect(b"\x80\x02N.\0\0\xff\xffjunk");
    assert_eq!(spans(&behind, "x")[0], "0..6 parsed opcodes");
    assert!(spans(&behind, "x")[1].starts_with("6..12 unexplained"), "{:?}", spans(&behind, "x"));
}

/// On every file of the corpora the map agrees with what the scan says is explained.
#[test]
fn the_map_explains_what_the_scan_explains() {
    let mut counted = BTreeMap::new();
    for (target, files) in replay::corpora() {
        for path in files {
            let seen = inspect_with(&std::fs::read(&path).unwrap(), 1_000_000, None);
            let (file, stream) = (&seen.scan.files[0], seen.streams.iter().find(|stream| stream.path == "x"));
            let Some(stream) = stream.filter(|_| file.formats.len() < 3) else { continue };
            let is_whole = stream.spans.iter().map(|span| span.end - span.start).sum::<u64>() == stream.bytes;
            assert!(is_whole, "{}", path.display());
            if file.verdict == Verdict::Clean {
                let holes: Vec<_> =
                    stream.spans.iter().filter(|span| span.what == SpanKind::Unexplained).collect();
                assert!(holes.is_empty(), "{}: {holes:?}", path.display());
            }
            let claimed: u64 = stream
                .spans
                .iter()
                .filter(|span| span.what != SpanKind::Unexplained)
                .map(|span| span.end - span.start)
                .sum();
            assert!(claimed <= file.explained, "{}: {claimed} of {}", path.display(), file.explained);
            *counted.entry(target.clone()).or_insert(0) += 1;
        }
    }
    assert!(counted.values().all(|count| *count >= 4), "{counted:?}");
    assert_eq!(counted.len(), replay::corpora().len(), "{counted:?}");
}
