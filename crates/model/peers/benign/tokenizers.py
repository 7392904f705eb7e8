"""The text files of a model's folder, in the shapes that the libraries of tokenizers and models write: tokenizers.py FOLDER."""
import json, pathlib, sys

out = pathlib.Path(sys.argv[1])
templates = {
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
              "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "instruct": "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% else %}{% set system = '' %}"
                "{% endif %}{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] | trim }} [/INST]"
                "{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}",
    "tools": "{%- if tools %}{{- 'You may call:\\n' }}{%- for tool in tools %}{{- tool | tojson }}\n{%- endfor %}{%- endif %}"
             "{%- for message in messages %}{%- if loop.first %}{{- bos_token }}{%- endif %}{{- message.content }}{%- endfor %}",
    "strict": "{% set ns = namespace(turn='user') %}{% for m in messages %}{% if m['role'] != ns.turn %}"
              "{{ raise_exception('roles must alternate') }}{% endif %}{% set ns.turn = 'assistant' if ns.turn == 'user' else 'user' %}"
              "{{ m['content'] }}{% endfor %}",
}
special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}


def write(folder, name, value):
    path = out / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


for number, (name, template) in enumerate(templates.items()):
    size = 50 * (number + 1)
    vocabulary = {f"▁word{n}": n for n in range(size)}
    write(name, "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": 0, "content": "<unk>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                          "special": True}],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}]},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?i:'s|'t|'re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"}, "behavior": "Isolated",
                          "invert": False},
        "post_processor": None, "decoder": {"type": "ByteFallback"},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "vocab": vocabulary, "merges": [["▁", "w"], ["o", "r"]]}})
    write(name, "tokenizer_config.json", {**special, "model_max_length": 4096, "tokenizer_class": "LlamaTokenizer",
                                          "chat_template": template})
    write(name, "chat_template.jinja", template)
    write(name, "special_tokens_map.json", special)
    write(name, "vocab.json", vocabulary)
    write(name, "merges.txt", "#version: 0.2\n" + "".join(f"w{n} o{n}\n" for n in range(size)))
    write(name, "config.json", {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64 * (number + 1),
                                "num_hidden_layers": 2, "torch_dtype": "float16", "rope_scaling": None})
    write(name, "generation_config.json", {"bos_token_id": 1, "eos_token_id": [2], "temperature": 0.6, "do_sample": True,
                                           "max_length": 512 + number})
    write(name, "preprocessor_config.json", {"do_resize": True, "image_mean": [0.5, 0.5, 0.5], "size": {"height": 224 + number}})
    write(name, "model.safetensors.index.json", {"metadata": {"total_size": 0, "of": name}, "weight_map": {}})
    write(name, "README.md", f"---\nlicense: apache-2.0\nbase_model: ours/{name}\ntags:\n- text-generation\n---\n\n# {name}\n\n"
                             "An ordinary model card.\n\n```python\nfrom transformers import pipeline\n```\n")
write("legacy", "tokenizer_config.json", {"chat_template": [{"name": "default", "template": templates["chatml"]},
                                                            {"name": "tool_use", "template": templates["tools"]}]})
write("legacy", "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n" + "".join(f"##w{n}\n" for n in range(100)))
write("legacy", "added_tokens.json", {"<|tool|>": 100})
write("diffusion", "model_index.json", {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0",
                                        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]})
write("diffusion", "scheduler/scheduler_config.json", {"_class_name": "PNDMScheduler", "beta_start": 0.00085, "steps_offset": 1})
write("sentences", "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}])
print("shapes of transformers 4.57 and diffusers 0.30")
