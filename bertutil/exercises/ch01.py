"""Exercises of chapter 1: counting parameters and bytes."""

from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertModel

from bertutil.exercises import Exercise, Wrong, call


def _modules() -> list[nn.Module]:
    layer = nn.Linear(3, 5)
    frozen = nn.Sequential(nn.Linear(2, 2, bias=False), nn.LayerNorm(2))
    frozen[0].requires_grad_(False)
    return [layer, frozen, nn.Sequential(nn.Embedding(11, 4), nn.Linear(4, 7), nn.ReLU())]


def _judge_count(answer: Any) -> None:
    for module in _modules():
        sizes = [parameter.numel() for parameter in module.parameters()]
        found = call(answer, module)
        if found == sum(sizes):
            continue
        if found == len(sizes):
            raise Wrong("that is how many tensors there are; count the numbers inside each of them (numel)")
        if found == sum(p.numel() for p in module.parameters() if p.requires_grad):
            raise Wrong("a parameter that is frozen (requires_grad is False) counts too: it is part of the weights")
        if found == sum(p.shape[0] for p in module.parameters()):
            raise Wrong("that adds up the first dimension of each tensor only; a matrix has rows times columns")
        if found == sizes[0]:
            raise Wrong("that is the first tensor alone; add all of them up")
        raise Wrong(f"for {module} it gave {found}, and there are {sum(sizes)} parameters")


def _config(**options: Any) -> BertConfig:
    return BertConfig(num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, **options)


def _judge_embeddings(answer: Any) -> None:
    configs = [
        _config(vocab_size=50, hidden_size=4, max_position_embeddings=10, type_vocab_size=2),
        _config(vocab_size=33, hidden_size=6, max_position_embeddings=20, type_vocab_size=3),
    ]
    for config in configs:
        with torch.device("meta"):
            expected = sum(p.numel() for p in BertModel(config).embeddings.parameters())
        found = call(answer, config)
        if found == expected:
            continue
        width, words = config.hidden_size, config.vocab_size * config.hidden_size
        positions, segments = config.max_position_embeddings * width, config.type_vocab_size * width
        reasons = {
            words: "that is the word table alone; BERT has a table for positions and one for segments too",
            words + positions: "the segment table is missing (config.type_vocab_size rows)",
            words + segments: "the position table is missing (config.max_position_embeddings rows)",
            words + positions + segments: "the three tables are right; the LayerNorm behind them has a weight and a "
            "bias for every feature",
            words + positions + segments + width: "the LayerNorm has two vectors, a weight and a bias",
        }
        raise Wrong(reasons.get(found, f"for vocab_size={config.vocab_size}, hidden_size={width} it gave {found}"))


def _judge_megabytes(answer: Any) -> None:
    modules = [nn.Linear(1000, 500), nn.Linear(1000, 500).to(torch.float16), nn.Linear(200, 300).double()]
    for module in modules:
        numbers = sum(p.numel() for p in module.parameters())
        expected = sum(p.numel() * p.element_size() for p in module.parameters()) / 1e6
        found = call(answer, module)
        if abs(found - expected) < 1e-9 * expected:
            continue
        if abs(found - numbers / 1e6) < 1e-9:
            raise Wrong("that is how many millions of numbers there are; each takes several bytes (element_size)")
        if abs(found - numbers * 4 / 1e6) < 1e-9:
            raise Wrong("not every model is in float32: ask each tensor for its element_size()")
        if abs(found - expected * 1e6) < 1e-3:
            raise Wrong("that is in bytes; a megabyte is a million of them")
        if abs(found - expected * 1e6 / 2**20) < 1e-6:
            raise Wrong("that is in mebibytes (2**20 bytes); a megabyte is 10**6 bytes")
        raise Wrong(f"for a layer in {next(module.parameters()).dtype} it gave {found}, expected {expected}")


count_parameters = Exercise(
    _judge_count,
    [
        "module.parameters() yields every weight tensor of a module and of the modules inside it.",
        "tensor.numel() says how many numbers a tensor holds; add them up.",
    ],
)
embedding_parameters = Exercise(
    _judge_embeddings,
    [
        "There are three tables, and each of their rows has config.hidden_size numbers.",
        "The rows: config.vocab_size, config.max_position_embeddings and config.type_vocab_size.",
        "A LayerNorm follows the tables: a weight and a bias, each of config.hidden_size numbers.",
    ],
)
megabytes = Exercise(
    _judge_megabytes,
    [
        "A tensor takes numel() times element_size() bytes.",
        "Add that up over module.parameters() and divide by a million.",
    ],
)
