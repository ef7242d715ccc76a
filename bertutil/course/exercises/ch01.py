"""Exercises of chapter 1: counting parameters and bytes, and two runs of a model."""

import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertModel

from bertutil.course.exercises import Exercise, Wrong, call, compare, number
from bertutil.course.inputs import tiny_model


def _modules() -> list[nn.Module]:
    layer = nn.Linear(3, 5)
    frozen = nn.Sequential(nn.Linear(2, 2, bias=False), nn.LayerNorm(2))
    frozen[0].requires_grad_(False)
    nested = nn.Sequential(nn.Embedding(11, 4), nn.Linear(4, 7), nn.ReLU())
    return [layer, frozen, nested, nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))]  # the last one has buffers too


def _judge_count(answer: Any) -> None:
    modules = _modules()
    found = [_one_number(call(answer, module)) for module in modules]
    tensors = [list(module.parameters()) for module in modules]
    slips: dict[str, Sequence[float]] = {
        "that is how many tensors there are; count the numbers inside each of them (numel)": [
            len(t) for t in tensors
        ],
        "a parameter that is frozen (requires_grad is False) counts too: it is part of the weights": [
            sum(p.numel() for p in t if p.requires_grad) for t in tensors
        ],
        "that adds up the first dimension of each tensor only; a matrix has rows times columns": [
            sum(len(p) for p in t) for t in tensors
        ],
        "that adds up the dimensions of each tensor; a matrix has rows TIMES columns": [
            sum(sum(p.shape) for p in t) for t in tensors
        ],
        "that adds up the numbers themselves; count them": [sum(p.sum().item() for p in t) for t in tensors],
        "that counts the matrices only; a bias is a parameter too": [
            sum(p.numel() for p in t if p.ndim == 2) for t in tensors
        ],
        "these are bytes; a number takes several of them (see exercise 1.3)": [
            sum(p.nbytes for p in t) for t in tensors
        ],
        "state_dict() holds buffers too, which are no parameters: take module.parameters()": [
            sum(t.numel() for t in module.state_dict().values()) for module in modules
        ],
        "that is the first tensor alone; add all of them up": [t[0].numel() for t in tensors],
        "that is the last tensor alone; add all of them up": [t[-1].numel() for t in tensors],
        "that looks inside the parts of the module only; module.parameters() has its own parameters too": [
            sum(p.numel() for child in module.children() for p in child.parameters()) for module in modules
        ],
    }
    compare(
        found,
        [sum(p.numel() for p in t) for t in tensors],
        slips,
        [" ".join(str(module).split()) for module in modules],
    )


def _one_number(answer: Any) -> float:
    if isinstance(answer, list | tuple | types.GeneratorType):
        raise Wrong("there is still one number for each tensor; add them up, with sum(...)")
    return number(answer)


def _config(**options: Any) -> BertConfig:
    return BertConfig(num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, **options)


def _judge_embeddings(answer: Any) -> None:
    configs = [
        _config(vocab_size=50, hidden_size=4, max_position_embeddings=10, type_vocab_size=5),
        _config(vocab_size=33, hidden_size=6, max_position_embeddings=20, type_vocab_size=3),
    ]
    found = [number(call(answer, config)) for config in configs]
    expected = []
    for config in configs:
        with torch.device("meta"):
            expected.append(sum(p.numel() for p in BertModel(config).embeddings.parameters()))

    def each(count: Callable[[int, int, int, int], int]) -> list[int]:
        """count(words, positions, segments, features) for each configuration."""
        return [count(c.vocab_size, c.max_position_embeddings, c.type_vocab_size, c.hidden_size) for c in configs]

    one_word = "the position table (config.max_position_embeddings rows)"
    slips: dict[str, Sequence[float]] = {
        "that is the word table alone; BERT has a table for positions and one for segments too": each(
            lambda w, p, s, f: w * f
        ),
        "the segment table and the LayerNorm are missing": each(lambda w, p, s, f: (w + p) * f),
        f"{one_word} and the LayerNorm are missing": each(lambda w, p, s, f: (w + s) * f),
        "the three tables are right; the LayerNorm behind them has a weight and a bias for every feature": each(
            lambda w, p, s, f: (w + p + s) * f
        ),
        "the segment table is missing (config.type_vocab_size rows)": each(lambda w, p, s, f: (w + p + 2) * f),
        f"{one_word} is missing": each(lambda w, p, s, f: (w + s + 2) * f),
        "the tables for positions and for segments are missing": each(lambda w, p, s, f: (w + 2) * f),
        "the LayerNorm has two vectors, a weight and a bias": each(lambda w, p, s, f: (w + p + s + 1) * f),
        "the LayerNorm has a weight and a bias for EACH feature, not two numbers": each(
            lambda w, p, s, f: (w + p + s) * f + 2
        ),
        "there is one LayerNorm, behind the sum of the three, and not one for each table": each(
            lambda w, p, s, f: (w + p + s + 6) * f
        ),
        "the product comes before the sum: put the rows in brackets, (words + positions + ...) * features": each(
            lambda w, p, s, f: w + p + s * f + 2 * f
        ),
        "that is how many rows the tables have; each row has config.hidden_size numbers": each(
            lambda w, p, s, f: w + p + s
        ),
        "that is how many rows there are; each row has config.hidden_size numbers": each(
            lambda w, p, s, f: w + p + s + 2
        ),
        "the tables stand side by side: add their rows up, and multiply by the features only": each(
            lambda w, p, s, f: w * p * s * f
        ),
        "384 features are those of the default checkpoint; take config.hidden_size": each(
            lambda w, p, s, f: (w + p + s + 2) * 384
        ),
        "512 positions are those of the usual checkpoints; take the number from the configuration": each(
            lambda w, p, s, f: (w + 512 + s + 2) * f
        ),
        "512 and 2 are the positions and segments of the usual checkpoints; ask the configuration for them": each(
            lambda w, p, s, f: (w + 512 + 2 + 2) * f
        ),
        "2 segments are those of the usual checkpoints; take the number from the configuration": each(
            lambda w, p, s, f: (w + p + 2 + 2) * f
        ),
    }
    cases = [f"vocab_size={c.vocab_size}, hidden_size={c.hidden_size}" for c in configs]
    compare(found, expected, slips, cases)


def _judge_megabytes(answer: Any) -> None:
    modules: list[nn.Module] = [
        nn.Linear(1000, 500),
        nn.Linear(1000, 500).to(torch.float16),
        nn.Linear(500, 300).double(),
        nn.Sequential(nn.Linear(1000, 500), nn.Linear(500, 100).half()),
    ]
    found = [number(call(answer, module)) for module in modules]
    numbers = [sum(p.numel() for p in module.parameters()) for module in modules]
    size = [sum(p.numel() * p.element_size() for p in module.parameters()) for module in modules]
    slips: dict[str, Sequence[float]] = {
        "that is how many millions of numbers there are; each takes several bytes (element_size)": [
            n / 1e6 for n in numbers
        ],
        "not every model is in float32: ask each tensor for its element_size()": [4 * n / 1e6 for n in numbers],
        "not every model is in float16: ask each tensor for its element_size()": [2 * n / 1e6 for n in numbers],
        "that is in bytes; a megabyte is a million of them": size,
        "that is in bits; a byte has 8 of them, and element_size() is in bytes already": [8 * b / 1e6 for b in size],
        "that is in kilobytes; a megabyte is a million bytes": [b / 1e3 for b in size],
        "that is in gigabytes; a megabyte is a million bytes": [b / 1e9 for b in size],
        "that is in mebibytes (2**20 bytes); a megabyte is 10**6 bytes": [b / 2**20 for b in size],
        "that is how many bytes ONE number of each tensor takes; multiply by how many there are (numel)": [
            sum(p.element_size() for p in module.parameters()) / 1e6 for module in modules
        ],
        "that is the first tensor alone; add all of them up": [next(m.parameters()).nbytes / 1e6 for m in modules],
        "the parts of a model can differ in precision: ask each tensor for its element_size()": [
            n * next(m.parameters()).element_size() / 1e6 for n, m in zip(numbers, modules, strict=True)
        ],
    }
    cases = [*(f"a layer in {next(module.parameters()).dtype}" for module in modules[:3]), "layers of two precisions"]
    compare(found, [b / 1e6 for b in size], slips, cases)


def _judge_two_runs(answer: Any) -> None:
    for n_layers, training in [(3, True), (2, False)]:
        model = tiny_model(n_layers, n_layers).train(training)
        runs: list[tuple[bool, torch.Tensor]] = []
        model.register_forward_hook(lambda model, _, output, runs=runs: runs.append((model.training, output[0])))
        ids = torch.tensor([[101, 2001 + n_layers, 2002, 2003, 2004, 102]])
        try:
            found = call(answer, model, ids)
        except Wrong as error:
            if "NoneType" not in str(error):
                raise
            raise Wrong(f"{error} (the states are None until you ask for them: output_hidden_states=True)") from None
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Wrong("return two numbers, `return states, cosine`: how many hidden states, and the lowest cosine")
        states, lowest = map(number, found)
        mode = "training" if training else "evaluation"
        if model.training != training or any(seen != training for seen, _ in runs):
            raise Wrong(
                f"the model came in {mode} mode, and your function changes that: leave out .eval() and .train(), and "
                "measure the model as it is"
            )
        if len(runs) < 2:
            raise Wrong(f"your function runs the model it is given {len(runs)} times; two runs are to be compared")
        if states != n_layers + 1:
            reason = _miscount(states, n_layers)
            raise Wrong(f"the model has {n_layers} layers, and your function counts {states:g} states: {reason}")
        _compare_runs(lowest, [vectors[0].detach() for _, vectors in runs], mode)


def _miscount(states: float, n_layers: int) -> str:
    reasons: dict[float, str] = {
        n_layers: "there is one before the first layer, too",
        6: "these are the tokens; count the parts of output.hidden_states",
        2 * (n_layers + 1): "count those of one run",
    }
    return reasons.get(states, "count the parts of output.hidden_states")


def _compare_runs(lowest: float, runs: list[torch.Tensor], mode: str) -> None:
    """Whether it is the lowest cosine of any two of the runs, token by token."""
    pairs = [(a, b) for i, a in enumerate(runs) for b in runs[:i]]
    cosines = [torch.cosine_similarity(a, b, dim=-1) for a, b in pairs]

    def near(values: list[torch.Tensor]) -> bool:
        return any(abs(lowest - value.item()) < 1e-4 for value in values)

    if near([c.min() for c in cosines]):
        return
    slips = {
        "this is the cosine of all tokens together, or their mean; make one for each token, and take the lowest": [
            c.mean() for c in cosines
        ],
        "this is the highest of the tokens; the lowest is asked for": [c.max() for c in cosines],
        "this is 1 minus the cosine": [1 - c.min() for c in cosines],
        "this is the cosine of [CLS] alone; take the lowest of all tokens": [c[0] for c in cosines],
        "these are the features, each over all tokens; a token's vector is the last axis, dim=-1": [
            torch.cosine_similarity(a, b, dim=0).min() for a, b in pairs
        ],
        "this is the cosine of a run with itself; take the vectors of both runs": [torch.ones(())],
    }
    for reason, values in slips.items():
        if near(values):
            raise Wrong(f"for a model in {mode} mode your function gives {lowest:.4f}: {reason}")
    right = ", ".join(f"{c.min():.4f}" for c in cosines)
    raise Wrong(
        f"for a model in {mode} mode your function gives {lowest:.4f}; the lowest cosine of its runs, with "
        f"last_hidden_state, is {right}"
    )


count_parameters = Exercise(
    "count-parameters",
    _judge_count,
    [
        "module.parameters() yields every weight tensor of a module and of the modules inside it.",
        "tensor.numel() says how many numbers a tensor holds; add them up.",
    ],
)
embedding_parameters = Exercise(
    "embedding-parameters",
    _judge_embeddings,
    [
        "There are three tables, and each of their rows has config.hidden_size numbers.",
        "The rows: config.vocab_size, config.max_position_embeddings and config.type_vocab_size.",
        "A LayerNorm follows the tables: a weight and a bias, each of config.hidden_size numbers.",
    ],
)
megabytes = Exercise(
    "megabytes",
    _judge_megabytes,
    [
        "A tensor takes numel() times element_size() bytes.",
        "Add that up over module.parameters() and divide by a million.",
    ],
)
two_runs = Exercise(
    "two-runs",
    _judge_two_runs,
    [
        "Write the call of the model in a small function of its own, inside torch.no_grad(), and call it twice.",
        "model(input_ids=ids, output_hidden_states=True) has both: .hidden_states to count, .last_hidden_state[0] to "
        "compare.",
        "torch.cosine_similarity(one, other, dim=-1) has one cosine for each token; .min() is the lowest.",
    ],
)
