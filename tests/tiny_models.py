"""Models of random weights, made in a second: they say nonsense, through the same code as those that do not.

Their vocabulary is GPT-2's bytes with a few words put together, so that text falls into tokens in more than one way.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
"""Read when an engine is loaded. Threads of so small a model wait for each other most of the time: busily, where others want
the cores, it took them ten times as long."""

WORDS = ("plan", "end", "parser", "the", "there", "- a", ": [", "]\n", ", ", "  ", "```")
SPECIAL = ("<s>", "</s>", "<|im_start|>", "<|im_end|>")
CONTEXT = 2048
"""Tokens."""

_WIDTH, _LAYERS, _HEADS = 64, 2, 4


def _alphabet() -> dict[int, str]:
    """Byte → the printable character that GPT-2's vocabulary writes for it."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + number) for number, byte in enumerate(others)}


def _vocabulary() -> tuple[list[str], list[tuple[str, str]]]:
    """Tokens by their number, and which two are put together, in that order."""
    alphabet = _alphabet()
    tokens, merges = [*SPECIAL, *alphabet.values()], []
    for word in WORDS:
        first, *rest = (alphabet[byte] for byte in word.encode())
        for character in rest:
            if first + character not in tokens:
                merges.append((first, character))
                tokens.append(first + character)
            first += character
    return tokens, merges


def tiny_transformers(folder: Path, template: str | None) -> Path:
    """A model for Transformers, saved in a folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokens, merges = _vocabulary()
    made = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", additional_special_tokens=list(SPECIAL[2:])
    )
    tokenizer.chat_template = template
    torch.set_num_threads(1)  # threads that wait for each other take most of the time of so small a model
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        num_key_value_heads=_HEADS,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_gguf(path: Path, template: str | None) -> Path:
    """A model for llama.cpp, about a megabyte."""
    import numpy as np
    from gguf import GGUFWriter, TokenType

    tokens, merges = _vocabulary()
    chance = np.random.default_rng(0)

    def random(*shape: int) -> Any:
        return (chance.standard_normal(shape) * 0.3).astype(np.float32)

    file = GGUFWriter(str(path), "llama")
    file.add_context_length(CONTEXT)
    file.add_embedding_length(_WIDTH)
    file.add_block_count(_LAYERS)
    file.add_feed_forward_length(2 * _WIDTH)
    file.add_head_count(_HEADS)
    file.add_head_count_kv(_HEADS)
    file.add_rope_dimension_count(_WIDTH // _HEADS)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_vocab_size(len(tokens))
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("gpt-2")
    file.add_token_list(tokens)
    file.add_token_types([TokenType.CONTROL if token in SPECIAL else TokenType.NORMAL for token in tokens])
    file.add_token_merges([" ".join(pair) for pair in merges])
    file.add_bos_token_id(0)
    file.add_eos_token_id(1)
    if template is not None:
        file.add_chat_template(template)
    file.add_tensor("token_embd.weight", random(len(tokens), _WIDTH))
    file.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    file.add_tensor("output.weight", random(len(tokens), _WIDTH))
    for layer in range(_LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            file.add_tensor(f"blk.{layer}.{name}.weight", np.ones(_WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            file.add_tensor(f"blk.{layer}.{name}.weight", random(_WIDTH, _WIDTH))
        for name in ("ffn_gate", "ffn_up"):
            file.add_tensor(f"blk.{layer}.{name}.weight", random(2 * _WIDTH, _WIDTH))
        file.add_tensor(f"blk.{layer}.ffn_down.weight", random(_WIDTH, 2 * _WIDTH))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path
