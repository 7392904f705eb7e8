"""Weights, vocabularies and templates by gguf's own writer: ggufs.py FOLDER."""
import importlib.metadata, pathlib, sys

import gguf
import numpy as np

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
rng = np.random.default_rng(7)


def write(name, fill, endian=gguf.GGUFEndian.LITTLE):
    writer = gguf.GGUFWriter(out / f"{name}.gguf", "llama", endianess=endian)
    fill(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def plain(writer, layers=2):
    writer.add_name("an ordinary model")
    writer.add_block_count(layers)
    writer.add_context_length(2048)
    writer.add_embedding_length(64)
    writer.add_head_count(4)
    writer.add_layer_norm_rms_eps(1e-5)
    for n in range(layers):
        writer.add_tensor(f"blk.{n}.attn_q.weight", rng.random((8, 32), dtype=np.float32))
        writer.add_tensor(f"blk.{n}.attn_norm.weight", rng.random(32, dtype=np.float32))


def vocabulary(writer):
    plain(writer)
    tokens = ["<unk>", "<s>", "</s>"] + [f"word{n}" for n in range(200)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def template(writer):
    vocabulary(writer)
    writer.add_chat_template("{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
                             "{% if add_generation_prompt %}<|assistant|>{% endif %}")


for layers in (1, 2, 3, 8):
    write(f"layers-{layers}", lambda writer: plain(writer, layers))
    write(f"layers-{layers}-big", lambda writer: plain(writer, layers), gguf.GGUFEndian.BIG)
write("vocabulary", vocabulary)
write("template", template)


def values(writer):
    for kind, value in (("uint8", 1), ("int8", -1), ("uint16", 2), ("int16", -2), ("uint32", 3), ("int32", -3), ("float32", 1.5),
                        ("bool", True), ("string", "größe"), ("uint64", 4), ("int64", -4), ("float64", 2.5)):
        getattr(writer, f"add_{kind}")(f"our.{kind}", value)
    writer.add_array("our.list", ["a", "b"])
    writer.add_array("our.numbers", [1, 2, 3])
    writer.add_tensor("w", np.zeros((2, 32), np.float32))


write("values", values)
for of in (gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.BF16, gguf.GGMLQuantizationType.Q4_0,
           gguf.GGMLQuantizationType.Q4_1, gguf.GGMLQuantizationType.Q5_0, gguf.GGMLQuantizationType.Q5_1,
           gguf.GGMLQuantizationType.Q8_0):
    weights = gguf.quants.quantize(rng.random((4, 64), dtype=np.float32), of)

    def quantized(writer):
        writer.add_quantization_version(2)
        writer.add_tensor("w.weight", weights, raw_dtype=of)

    write(f"quantized-{of.name}", quantized)
for of in ("int8", "int16", "int32", "int64", "float16", "float64"):
    write(f"items-{of}", lambda writer: writer.add_tensor("w", np.ones((2, 8), of)))
print(f"gguf {importlib.metadata.version('gguf')}")
