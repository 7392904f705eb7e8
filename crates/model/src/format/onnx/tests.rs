//! Room `model`, format `onnx`, tests: messages made here, every class of harm told, and PyPI's onnx as the judge of what is
//! ordinary and of what a schema has.

use ringfence_finding::GapReason;
use ringfence_finding::ModelFile;
use ringfence_finding::Verdict;

use crate::testing::judge;
use crate::testing::python;

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

fn int(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn node(operator: &str, domain: &str) -> Vec<u8> {
    [bytes(1, "x"), bytes(2, "y"), bytes(4, operator), bytes(7, domain)].concat()
}

/// Float, `items` of them, with this in place of data.
fn tensor(items: u64, data: &[u8]) -> Vec<u8> {
    [int(1, items), int(2, 1), bytes(8, "w"), data.to_vec()].concat()
}

fn entry(key: &str, value: &str) -> Vec<u8> {
    bytes(13, [bytes(1, key), bytes(2, value)].concat())
}

fn external(entries: &[(&str, &str)]) -> Vec<u8> {
    let entries: Vec<u8> = entries.iter().flat_map(|(key, value)| entry(key, value)).collect();
    tensor(2, &[entries, int(14, 1)].concat())
}

/// A model with this in its graph and behind it.
fn model(graph: &[Vec<u8>], more: &[Vec<u8>]) -> Vec<u8> {
    let graph = [graph.concat(), bytes(2, "g")].concat();
    [int(1, 10), bytes(2, "test"), bytes(7, graph), bytes(8, int(2, 21)), more.concat()].concat()
}

fn ordinary() -> Vec<Vec<u8>> {
    let raw = tensor(3, &bytes(9, [0; 12]));
    let inner = bytes(6, [bytes(1, node("Add", "")), bytes(5, &raw)].concat());
    let branch = [node("If", ""), bytes(5, [bytes(1, "then_branch"), inner, int(20, 5)].concat())].concat();
    let shape = bytes(2, bytes(1, [int(1, 1), bytes(2, bytes(1, bytes(2, "batch")))].concat()));
    vec![
        bytes(1, node("MatMul", "")),
        bytes(1, branch),
        bytes(1, node("Gelu", "com.microsoft")),
        bytes(5, &raw),
        bytes(5, tensor(3, &[0x25, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0x25, 0, 0, 0, 0])),
        bytes(11, [bytes(1, "x"), shape].concat()),
        bytes(15, [bytes(1, &raw), int(3, 9)].concat()),
    ]
}

fn words(file: &ModelFile) -> String {
    let findings = file.findings.iter().map(|finding| finding.message.clone());
    findings.chain(file.gaps.iter().map(|gap| gap.message.clone())).collect::<Vec<_>>().join("; ")
}

#[test]
fn an_ordinary_model_is_clean() {
    let metadata = bytes(14, [bytes(1, "author"), bytes(2, "me")].concat());
    let file = judge(&model(&ordinary(), &[metadata]));
    assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{file:#?}");
    assert_eq!(file.formats, ["onnx"]);
    // An operator of a function that the model itself defines.
    let function = bytes(25, [bytes(1, "Own"), bytes(10, "acme"), bytes(7, node("Add", ""))].concat());
    let call = bytes(1, node("Own", "acme"));
    assert_eq!(judge(&model(std::slice::from_ref(&call), &[function])).verdict, Verdict::Clean);
    assert_eq!(judge(&model(&[call], &[])).verdict, Verdict::Review);
}

#[test]
fn each_way_out_of_the_model_is_told_wherever_it_stands() {
    use Verdict::Malicious;
    use Verdict::Review;
    let outside = || external(&[("location", "../../etc/passwd")]);
    let in_attribute = bytes(
        1,
        [node("Constant", ""), bytes(5, [bytes(1, "value"), bytes(5, outside())].concat())].concat(),
    );
    let nested = bytes(1, [node("If", ""), bytes(5, bytes(6, bytes(5, outside())))].concat());
    let function = bytes(25, [bytes(1, "f"), bytes(7, node("PyOp", "acme"))].concat());
    let training = bytes(20, bytes(2, bytes(5, outside())));
    for (file, verdict, number, flaw) in [
        (model(&[bytes(5, outside())], &[]), Malicious, 145, "outside of its folder"),
        (model(&[in_attribute], &[]), Malicious, 145, "outside of its folder"),
        (model(&[nested], &[]), Malicious, 145, "outside of its folder"),
        (model(&[bytes(15, bytes(2, outside()))], &[]), Malicious, 145, "outside of its folder"),
        (model(&[], &[training]), Malicious, 145, "outside of its folder"),
        (model(&[], &[function]), Malicious, 145, "runs Python"),
        (
            model(&[bytes(5, external(&[("location", "/dev/mem")]))], &[]),
            Malicious,
            145,
            "root of the system",
        ),
        (
            model(&[bytes(5, external(&[("location", "a"), ("location", "..\\b")]))], &[]),
            Malicious,
            145,
            "outside of its folder",
        ),
        (
            model(&[bytes(5, external(&[("location", "a"), ("__class__", "b")]))], &[]),
            Malicious,
            145,
            "__class__",
        ),
        (
            model(&[bytes(5, external(&[("location", "a"), ("mode", "b")]))], &[]),
            Review,
            145,
            "hands the loader mode",
        ),
        (
            model(&[bytes(5, external(&[("location", "a"), ("basepath", "/etc")]))], &[]),
            Malicious,
            145,
            "root of the system",
        ),
        (
            model(&[bytes(5, external(&[("location", "a"), ("basepath", "b")]))], &[]),
            Review,
            145,
            "the folder",
        ),
        (model(&[bytes(5, external(&[("location", "a"), ("offset", "-1")]))], &[]), Review, 147, "no number"),
        (
            model(&[bytes(5, external(&[("location", "a"), ("length", "7")]))], &[]),
            Review,
            147,
            "8 bytes with 7 bytes of external",
        ),
        (model(&[bytes(5, tensor(2, &int(14, 1)))], &[]), Review, 147, "nothing says where"),
        (model(&[bytes(1, node("PyOp", "com.microsoft"))], &[]), Malicious, 145, "runs Python"),
        (model(&[bytes(1, node("Run", "acme.ops"))], &[]), Review, 145, "Run of acme.ops"),
        (model(&[bytes(1, node("EPContext", "com.microsoft"))], &[]), Review, 145, "EPContext"),
        (model(&[bytes(1, node("PythonOp", "com.microsoft"))], &[]), Malicious, 145, "PythonOp runs Python"),
        (model(&[bytes(1, node("PythonOpGrad", "com.microsoft"))], &[]), Malicious, 145, "runs Python"),
        (model(&[bytes(1, node("TritonOp", "com.microsoft"))], &[]), Malicious, 145, "TritonOp runs Python"),
        (model(&[bytes(1, node("Snpe", "com.microsoft"))], &[]), Review, 145, "Snpe holds or names code"),
        (model(&[bytes(1, node("YieldOp", "com.microsoft"))], &[]), Review, 145, "YieldOp of com.microsoft"),
        (model(&[], &[session()]), Review, 145, "ort_config sets options"),
        (model(&[bytes(5, tensor(3, &bytes(9, [0; 11])))], &[]), Review, 147, "12 bytes with 11 bytes"),
        (
            model(&[bytes(5, [int(1, 1 << 62), int(1, 4), int(2, 1)].concat())], &[]),
            Review,
            147,
            "beyond all measure",
        ),
        (model(&[bytes(5, [int(1, 1), int(2, 99)].concat())], &[]), Review, 147, "type 99"),
        (model(&[bytes(1, node(&"n".repeat(70_000), ""))], &[]), Review, 147, "longer than any"),
    ] {
        let judged = judge(&file);
        assert_eq!(judged.verdict, verdict, "{flaw}: {judged:#?}");
        assert!(judged.findings.iter().any(|finding| finding.id.number == number), "{flaw}: {judged:#?}");
        assert!(words(&judged).contains(flaw), "{flaw}: {}", words(&judged));
    }
}

/// Options of a session, as a model's own words.
fn session() -> Vec<u8> {
    bytes(
        14,
        [bytes(1, "ort_config"), bytes(2, "{\"session_options\": {\"enable_profiling\": true}}")].concat(),
    )
}

#[test]
fn operators_of_onnxruntime_that_touch_tensors_alone_are_clean() {
    let own = function("YieldOp", "com.microsoft");
    let nodes = ["Attention", "MatMulNBits", "WordConvEmbedding", "YieldOp"];
    let nodes = nodes.map(|operator| bytes(1, node(operator, "com.microsoft")));
    assert_eq!(judge(&model(&nodes, &[own])).verdict, Verdict::Clean);
    // What a graph says of itself sets nothing.
    let words = bytes(16, [bytes(1, "ort_config"), bytes(2, "{}")].concat());
    assert_eq!(judge(&model(&[words], &[])).verdict, Verdict::Clean);
    let acts = judge(&model(&[bytes(1, node("EPContext", "com.microsoft"))], &[]));
    assert_eq!(acts.findings.len(), 1, "told once: {acts:#?}");
}

fn function(name: &str, domain: &str) -> Vec<u8> {
    bytes(25, [bytes(1, name), bytes(10, domain)].concat())
}

#[test]
fn a_foreign_operator_is_told_behind_any_number_of_own_functions() {
    let names: Vec<_> = (0..100).map(|at| format!("f{at:03}")).collect();
    let mut nodes: Vec<_> = names.iter().map(|name| bytes(1, node(name, "a"))).collect();
    let functions: Vec<_> = names.iter().map(|name| function(name, "a")).collect();
    assert_eq!(judge(&model(&nodes, &functions)).verdict, Verdict::Clean);
    nodes.push(bytes(1, node("Evil", "zz")));
    let judged = judge(&model(&nodes, &functions));
    assert_eq!(judged.verdict, Verdict::Review);
    assert!(words(&judged).contains("Evil of zz"), "{}", words(&judged));
    // More names than are kept: the rest was not looked at.
    let many: Vec<_> = (0..300).map(|at| bytes(1, node("x", &format!("{at:060000}")))).collect();
    let judged = judge(&model(&many, &[]));
    assert!(judged.gaps.iter().any(|gap| gap.reason == GapReason::Budget), "{}", words(&judged).len());
    let many: Vec<_> =
        (0..300).map(|at| bytes(5, external(&[("location", &format!("{at:060000}"))]))).collect();
    let judged = judge(&model(&many, &[]));
    assert!(judged.gaps.iter().any(|gap| gap.reason == GapReason::Budget), "{}", words(&judged).len());
}

#[test]
fn a_function_of_another_overload_is_another_operator() {
    let call = bytes(1, node("Evil", "zz"));
    let overload = |name: &str| bytes(25, [bytes(1, "Evil"), bytes(10, "zz"), bytes(13, name)].concat());
    assert_eq!(judge(&model(std::slice::from_ref(&call), &[overload("other")])).verdict, Verdict::Review);
    assert_eq!(judge(&model(&[call], &[overload("")])).verdict, Verdict::Clean);
    let call = bytes(1, [node("Evil", "zz"), bytes(8, "other")].concat());
    assert_eq!(judge(&model(std::slice::from_ref(&call), &[overload("other")])).verdict, Verdict::Clean);
    assert_eq!(judge(&model(&[call], &[overload("")])).verdict, Verdict::Review);
}

#[test]
fn a_location_is_judged_behind_any_number_of_other_words() {
    let mut entries = vec![("checksum", "0"); 100];
    entries.push(("location", "../../etc/passwd"));
    let judged = judge(&model(&[bytes(5, external(&entries))], &[]));
    assert_eq!(judged.verdict, Verdict::Malicious, "{}", words(&judged));
    // Nor does what is told of others take its place.
    let mut entries = vec![("unheard", "0"); 100];
    entries.push(("location", "../../etc/passwd"));
    assert_eq!(judge(&model(&[bytes(5, external(&entries))], &[])).verdict, Verdict::Malicious);
}

#[test]
fn what_no_schema_explains_is_incomplete_with_its_place() {
    for (more, flaw, count) in [
        (bytes(99, "hidden"), "field 99 of Model", 9),
        (bytes(1, "hidden"), "field 1 of Model", 8),
        ([varint(30 << 3 | 5), vec![1, 2, 3, 4]].concat(), "field 30 of Model", 6),
    ] {
        let file = model(&ordinary(), std::slice::from_ref(&more));
        let judged = judge(&file);
        assert_eq!(
            (judged.verdict, judged.explained),
            (Verdict::Incomplete, judged.bytes - count),
            "{judged:#?}"
        );
        assert_eq!(judged.gaps[0].place.offset, (file.len() - more.len()) as u64);
        assert!(words(&judged).contains(flaw), "{}", words(&judged));
    }
    let inner = judge(&model(&[bytes(1, [node("Add", ""), bytes(77, "hidden")].concat())], &[]));
    assert!(words(&inner).contains("field 77 of Node") && inner.verdict == Verdict::Incomplete, "{inner:#?}");
    // A field that leaves its message, a group.
    let long = bytes(1, [varint(4 << 3 | 2), vec![100]].concat());
    let group = bytes(1, varint(5 << 3 | 3));
    for odd in [long, group] {
        let judged = judge(&model(&[odd, bytes(5, external(&[("location", "../x")]))], &[]));
        assert_eq!(judged.verdict, Verdict::Malicious, "what follows is read: {judged:#?}");
        assert!(judged.findings.iter().any(|finding| finding.id.number == 147));
    }
    let deep = (0..200).fold(bytes(1, node("Add", "")), |inner, _| bytes(1, bytes(5, bytes(6, inner))));
    assert_eq!(judge(&model(&[deep], &[])).gaps[0].reason, GapReason::Budget);
    let elsewhere = judge(&model(&[bytes(5, external(&[("location", "w.bin")]))], &[]));
    assert_eq!((elsewhere.verdict, elsewhere.gaps[0].reason), (Verdict::Incomplete, GapReason::OutOfBand));
}

#[test]
fn a_model_among_unknown_fields_inside_of_another_format_is_two() {
    use crate::testing::judge;
    let whole = model(&ordinary(), &[]);
    // For protobuf the length of the header is a field of eight bytes (tag 0x09), with the bracket behind it.
    let unknown: Vec<u8> = (0..40).flat_map(|_| int(100, 1)).collect();
    let onnx = [unknown, whole].concat();
    let name = "\u{400}!";
    // Tag `"` is field 4, its length the first letters of the name: so much is passed over.
    let skipped = 0x50 | 0x21 << 14;
    let header_length = 0x109_usize;
    let start = 8 + 2 + 3 + skipped;
    let size = start - 8 - header_length + onnx.len();
    let header =
        format!("{{\"{name}\":{{\"dtype\":\"U8\",\"shape\":[{size}],\"data_offsets\":[0,{size}]}}}}");
    let mut file = (header_length as u64).to_le_bytes().to_vec();
    file.extend_from_slice(format!("{header:header_length$}").as_bytes());
    file.resize(start, 0);
    file.extend_from_slice(&onnx);
    let judged = judge(&file);
    assert!(judged.formats.len() == 2 && judged.verdict > Verdict::Clean, "{judged:#?}");
}

#[test]
fn a_truncated_model_is_never_clean() {
    let file = model(&ordinary(), &[]);
    let graph = file.windows(2).position(|pair| pair[0] == 0x3a).unwrap();
    let end_of_graph = file.len() - 4;
    for end in 1..file.len() {
        let judged = judge(&file[..end]);
        // The graph is whole at its end, and nothing says that more follows.
        let is_whole = end == end_of_graph;
        assert!(is_whole || judged.verdict != Verdict::Clean, "{end}");
        if end > graph + 3 && !is_whole {
            assert!(judged.gaps.iter().any(|gap| gap.reason == GapReason::Truncated), "{end}: {judged:#?}");
        }
    }
}

#[test]
fn what_is_there_of_a_truncated_model_is_read() {
    let file =
        model(&[bytes(5, external(&[("location", "../x")])), bytes(5, tensor(9, &bytes(9, [0; 36])))], &[]);
    let judged = judge(&file[..file.len() - 20]);
    assert_eq!(
        (judged.verdict, judged.gaps[0].reason),
        (Verdict::Malicious, GapReason::Truncated),
        "{judged:#?}"
    );
}

/// The schema, then models that PyPI's onnx writes, each as a line of hex.
const WRITER: &str = r"
import numpy, onnx
from onnx import helper, numpy_helper, TensorProto, onnx_ml_pb2
kinds = {3: 'Int', 5: 'Int', 4: 'Int', 14: 'Int', 2: 'Fixed32', 1: 'Fixed64', 9: 'Text', 12: 'Text', 11: 'Inner'}
print(' '.join('%d:%s' % (f.number, kinds[f.type] + ('s' if f.is_repeated and f.type not in (9, 11, 12) else '')) for name in ('ModelProto', 'GraphProto', 'NodeProto', 'AttributeProto', 'TensorProto', 'FunctionProto')
    for f in sorted(getattr(onnx_ml_pb2, name).DESCRIPTOR.fields, key=lambda f: f.number)))
x = helper.make_tensor_value_info('x', TensorProto.FLOAT, ['n', 3]); y = helper.make_tensor_value_info('y', TensorProto.FLOAT, None)
w = numpy_helper.from_array(numpy.ones((3, 4), dtype=numpy.float32), 'w')
def model(nodes, initializers=[], **more):
    graph = helper.make_graph(nodes, 'g', [x], [y], initializers, **{k: v for k, v in more.items() if k == 'doc_string'})
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 21), helper.make_opsetid('acme', 1)], functions=more.get('functions', []))
models = [model([helper.make_node('MatMul', ['x', 'w'], ['y'])], [w], doc_string='text')]
for kind in sorted(TensorProto.DataType.values()):
    if kind in (0, TensorProto.STRING): continue
    try: t = helper.make_tensor('t', kind, [2], [1, 0])
    except Exception: continue
    models.append(model([helper.make_node('Constant', [], ['y'], value=t)]))
    try: models.append(model([helper.make_node('Identity', ['x'], ['y'])], [numpy_helper.from_array(numpy_helper.to_array(t), 't')]))
    except Exception: pass
models.append(model([helper.make_node('Constant', [], ['y'], value_strings=['a', 'b'], doc_string='d')]))
models.append(model([helper.make_node('Constant', [], ['y'], value_floats=[1.0, 2.0])]))
branch = helper.make_graph([helper.make_node('Identity', ['x'], ['z'])], 'b', [], [helper.make_tensor_value_info('z', TensorProto.FLOAT, None)])
models.append(model([helper.make_node('If', ['c'], ['y'], then_branch=branch, else_branch=branch)]))
f = helper.make_function('acme', 'Own', ['a'], ['b'], [helper.make_node('Relu', ['a'], ['b'])], [helper.make_opsetid('', 21)])
models.append(model([helper.make_node('Own', ['x'], ['y'], domain='acme')], functions=[f]))
s = onnx.SparseTensorProto(values=numpy_helper.from_array(numpy.ones(2, dtype=numpy.float32), 'v'), indices=numpy_helper.from_array(numpy.array([1, 2], dtype=numpy.int64), 'i'), dims=[4])
m = model([helper.make_node('Identity', ['x'], ['y'])]); m.graph.sparse_initializer.append(s); helper.set_model_props(m, {'a': 'b'}); models.append(m)
m = model([helper.make_node('Identity', ['x'], ['y'])]); t = m.training_info.add(); t.algorithm.CopyFrom(branch); t.update_binding.add(key='a', value='b'); models.append(m)
for m in models: print(m.SerializeToString().hex())
";

#[test]
#[ignore = "needs model-peers: writes models with PyPI's onnx and compares its schema"]
fn what_the_formats_own_library_writes_is_clean() {
    let printed = python::peers(WRITER, b"");
    let mut lines = printed.lines();
    assert_eq!(lines.next().unwrap(), super::schema::told());
    let mut count = 0;
    for line in lines {
        let file = judge(&python::bytes(line));
        assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{file:#?}");
        count += 1;
    }
    assert!(count > 30, "{count}");
}

/// Whether protobuf parses each file as a model.
const READER: &str = r"
import struct, sys
import onnx
data = sys.stdin.buffer
while head := data.read(4):
    try: onnx.ModelProto().ParseFromString(data.read(struct.unpack('<I', head)[0]))
    except Exception as error: print('error')
    else: print('parsed')
";

#[test]
#[ignore = "needs model-peers: parses changed models with PyPI's onnx"]
fn whatever_protobuf_refuses_is_not_clean() {
    let file = model(&ordinary(), &[]);
    let mut changed = Vec::new();
    for at in 0..file.len() {
        for flip in [0x01, 0x04, 0x80] {
            let mut bytes = file.clone();
            bytes[at] ^= flip;
            changed.push(bytes);
        }
    }
    let printed = python::peers(READER, &python::frames(changed.iter().map(Vec::as_slice)));
    assert_eq!(printed.lines().count(), changed.len());
    let (mut refused, mut clean) = (0, 0);
    for (bytes, line) in changed.iter().zip(printed.lines()) {
        let is_clean = judge(bytes).verdict == Verdict::Clean;
        refused += usize::from(line == "error");
        clean += usize::from(is_clean);
        assert!(line != "error" || !is_clean, "{bytes:?}");
    }
    println!("{} files, {refused} refused by the peer, {clean} clean", changed.len());
    assert!(refused > 100 && clean > 50, "{refused} {clean}");
}
