"""What the public implementations make of tiny models with random weights, and of texts:
python export.py > fixture.json (torch 2.15, transformers 5.23, sentencepiece 0.2.3).

The weights come of a formula, so that the test has them without a file: `weight` here, `weights` in
model.rs. Their names and the order of the numbers in a head are those of GGUF.
"""

import io
import json
import math

import numpy
import sentencepiece
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

VOCABULARY, WIDTH, HIDDEN, HEADS, GROUPS, BLOCKS = 264, 64, 96, 4, 2, 2
HEAD = WIDTH // HEADS
LENGTHS = (5, 70)


def weight(name, shape):
    """Numbers from -0.25 to 0.25; of a norm, around 1."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    with numpy.errstate(over="ignore"):
        x = numpy.uint32(seed) ^ (numpy.arange(math.prod(shape), dtype=numpy.uint32) * numpy.uint32(0x9E3779B9))
        x = (x ^ (x >> 16)) * numpy.uint32(0x85EBCA6B)
        x = (x ^ (x >> 13)) * numpy.uint32(0xC2B2AE35)
    x = ((x ^ (x >> 16)) >> 8).astype(numpy.float32) / numpy.float32(2**25) - numpy.float32(0.25)
    return torch.from_numpy((x + 1 if "norm" in name else x).reshape(shape))


def fill(model, kind):
    """Gives a model of transformers the weights that GGUF calls by these names."""

    def turned(name, heads, shape):
        # GGUF has the pairs that turn together next to each other for llama, half a head apart for qwen2.
        value = weight(name, shape)
        if kind == "llama":
            value = value.reshape(heads, HEAD // 2, 2, -1).transpose(1, 2).reshape(shape)
        return value

    state = {
        "model.embed_tokens.weight": weight("token_embd.weight", (VOCABULARY, WIDTH)),
        "model.norm.weight": weight("output_norm.weight", (WIDTH,)),
    }
    if not model.config.tie_word_embeddings:
        state["lm_head.weight"] = weight("output.weight", (VOCABULARY, WIDTH))
    for n in range(BLOCKS):
        to, own = f"model.layers.{n}", f"blk.{n}"
        for there, here, heads in [("q", "q", HEADS), ("k", "k", GROUPS), ("v", "v", 0)]:
            rows = (heads or GROUPS) * HEAD
            for part, shape in [("weight", (rows, WIDTH)), ("bias", (rows,))]:
                if part == "bias" and kind == "llama":
                    continue
                name = f"{own}.attn_{here}.{part}"
                state[f"{to}.self_attn.{there}_proj.{part}"] = (
                    turned(name, heads, shape) if heads else weight(name, shape)
                )
        state[f"{to}.self_attn.o_proj.weight"] = weight(f"{own}.attn_output.weight", (WIDTH, WIDTH))
        state[f"{to}.mlp.gate_proj.weight"] = weight(f"{own}.ffn_gate.weight", (HIDDEN, WIDTH))
        state[f"{to}.mlp.up_proj.weight"] = weight(f"{own}.ffn_up.weight", (HIDDEN, WIDTH))
        state[f"{to}.mlp.down_proj.weight"] = weight(f"{own}.ffn_down.weight", (WIDTH, HIDDEN))
        state[f"{to}.input_layernorm.weight"] = weight(f"{own}.attn_norm.weight", (WIDTH,))
        state[f"{to}.post_attention_layernorm.weight"] = weight(f"{own}.ffn_norm.weight", (WIDTH,))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    return model.eval()


def factors(base, rope):
    """How GGUF's rope_freqs.weight stands for Llama 3's scaling (llama.cpp's converter)."""
    low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
    high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    made = []
    for i in range(0, HEAD, 2):
        length = 2 * math.pi * base ** (i / HEAD)
        if length < high:
            made.append(1.0)
        elif length > low:
            made.append(rope["factor"])
        else:
            smooth = rope["original_max_position_embeddings"] / length - rope["low_freq_factor"]
            smooth /= rope["high_freq_factor"] - rope["low_freq_factor"]
            made.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return made


def networks():
    sizes = dict(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=HIDDEN,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
    )
    plain = {"rope_type": "default", "rope_theta": 10000.0}
    llama3 = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    cases = [
        ("llama", LlamaForCausalLM, LlamaConfig, plain, False),
        ("llama", LlamaForCausalLM, LlamaConfig, llama3, True),
        ("qwen2", Qwen2ForCausalLM, Qwen2Config, plain | {"rope_theta": 1000000.0}, True),
    ]
    for kind, network, config, rope, tied in cases:
        torch.manual_seed(0)
        model = fill(network(config(**sizes, rope_parameters=rope, tie_word_embeddings=tied)), kind)
        tokens = torch.tensor([[(37 * i + 11) % VOCABULARY for i in range(max(LENGTHS))]])
        with torch.no_grad():
            logits = model(tokens).logits[0].double()
        yield {
            "kind": kind,
            "base": rope["rope_theta"],
            "tied": tied,
            "factors": factors(rope["rope_theta"], rope) if rope["rope_type"] == "llama3" else None,
            "logits": [[round(x, 5) for x in logits[n - 1].tolist()] for n in LENGTHS],
        }


def pieces():
    """A small model of SentencePiece, and how it cuts texts."""
    corpus = [
        "A red car on the left chases two dogs and another cat while the bus waits.",
        "The brown dog runs to the left, then the second dog jumps over the fence.",
        "An old fisherman in a green coat is pulling a net, then he sits down.",
        "Two spotted goats climbing a hill in the rain, a flock of starlings swirls.",
    ]
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 20),
        model_writer=made,
        model_type="bpe",
        vocab_size=380,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=made.getvalue())
    ids = range(model.vocab_size())
    kinds = [6 if model.is_byte(i) else 3 if model.is_control(i) else 2 if model.is_unknown(i) else 1 for i in ids]
    texts = ["The red dog chases the fence.", " two  spaces, 3 goats\n<s>é猫</s>", "", "dogdogdog", "_▁_"]
    return {
        "tokens": [model.id_to_piece(i) for i in ids],
        "scores": [model.get_score(i) for i in ids],
        "types": kinds,
        "texts": [{"text": text, "ids": model.encode(text)} for text in texts],
    }


print(json.dumps({"networks": list(networks()), "pieces": pieces()}, ensure_ascii=False))
