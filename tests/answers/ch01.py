"""Right and wrong answers to the exercises of chapter 1; a wrong one with a part of the reply that it deserves."""

import numpy as np
import torch

from bertutil.course.exercises import ch01


def run(model, ids):
    with torch.no_grad():
        return model(input_ids=ids, output_hidden_states=True)


def lowest(one, other):
    return torch.cosine_similarity(one.last_hidden_state[0], other.last_hidden_state[0], dim=-1).min()


def two_runs(model, ids):
    one, other = run(model, ids), run(model, ids)
    return len(one.hidden_states), lowest(one, other)


def two_runs_otherwise(model, ids):
    """With the products written out, and the states counted in a run of its own."""
    a, b = (model(input_ids=ids).last_hidden_state.squeeze(0) for _ in range(2))
    cosines = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    return [len(run(model, ids)["hidden_states"]), min(cosines.tolist())]


def in_evaluation(model, ids):
    model.eval()
    return two_runs(model, ids)


def in_evaluation_and_back(model, ids):
    before = model.training
    model.eval()
    found = two_runs(model, ids)
    model.train(before)
    return found


def with_cosine(cosine):
    def answer(model, ids):
        one, other = run(model, ids), run(model, ids)
        return len(one.hidden_states), cosine(one.last_hidden_state[0], other.last_hidden_state[0])

    return answer


RIGHT = [
    (ch01.count_parameters, lambda m: sum(p.numel() for p in m.parameters())),
    (ch01.count_parameters, lambda m: np.sum([np.prod(p.shape, dtype=int) for _, p in m.named_parameters()])),
    (
        ch01.embedding_parameters,
        lambda c: (c.vocab_size + c.max_position_embeddings + c.type_vocab_size + 2) * c.hidden_size,
    ),
    (
        ch01.embedding_parameters,
        lambda c: sum(n * c.hidden_size for n in (c.vocab_size, c.max_position_embeddings, c.type_vocab_size, 1, 1)),
    ),
    (ch01.megabytes, lambda m: sum(p.numel() * p.element_size() for p in m.parameters()) / 1e6),
    (ch01.megabytes, lambda m: sum(p.nbytes for p in m.parameters()) / 1_000_000),
    (ch01.two_runs, two_runs),
    (ch01.two_runs, two_runs_otherwise),
]


WRONG = [
    (ch01.count_parameters, lambda m: len(list(m.parameters())), "how many tensors"),
    (ch01.count_parameters, lambda m: sum(p.numel() for p in m.parameters() if p.requires_grad), "frozen"),
    (ch01.count_parameters, lambda m: sum(len(p) for p in m.parameters()), "first dimension"),
    (ch01.count_parameters, lambda m: next(m.parameters()).numel(), "first tensor alone"),
    (ch01.count_parameters, lambda m: sum(t.numel() for t in m.state_dict().values()), "holds buffers too"),
    (ch01.count_parameters, lambda m: sum(p.nbytes for p in m.parameters()), "these are bytes"),
    (ch01.count_parameters, lambda m: 22, "your function gives 22"),
    (ch01.count_parameters, lambda m: print(len(list(m.parameters()))), "is a return missing?"),
    (ch01.count_parameters, lambda m: [p.numel() for p in m.parameters()], "one number for each tensor"),
    (ch01.count_parameters, lambda m: sum(sum(p.shape) for p in m.parameters()), "rows TIMES columns"),
    (ch01.count_parameters, lambda m: sum(p.sum().item() for p in m.parameters()), "count them"),
    (ch01.count_parameters, lambda m: sum(p.numel() for p in m.parameters() if p.ndim == 2), "matrices only"),
    (ch01.count_parameters, lambda m: list(m.parameters())[-1].numel(), "last tensor alone"),
    (
        ch01.count_parameters,
        lambda m: sum(p.numel() for child in m.children() for p in child.parameters()),
        "inside the parts of the module only",
    ),
    (ch01.count_parameters, 22, "hand in the function itself"),
    (ch01.count_parameters, lambda m: m.nonsense, "raised AttributeError"),
    (ch01.embedding_parameters, lambda c: c.vocab_size * c.hidden_size, "word table alone"),
    (
        ch01.embedding_parameters,
        lambda c: (c.vocab_size + c.max_position_embeddings) * c.hidden_size,
        "the segment table and the LayerNorm are missing",
    ),
    (
        ch01.embedding_parameters,
        lambda c: (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * c.hidden_size,
        "LayerNorm",
    ),
    (ch01.embedding_parameters, lambda c: 1, "your function gives 1"),
    (
        ch01.embedding_parameters,
        lambda c: (c.vocab_size + c.max_position_embeddings + c.type_vocab_size + 2) * 384,
        "take config.hidden_size",
    ),
    (
        ch01.embedding_parameters,
        lambda c: (c.vocab_size + c.max_position_embeddings + 2) * c.hidden_size,
        "the segment table is missing",
    ),
    (
        ch01.embedding_parameters,
        lambda c: (c.vocab_size + c.type_vocab_size + 2) * c.hidden_size,
        "the position table (config.max_position_embeddings rows) is missing",
    ),
    (
        ch01.embedding_parameters,
        lambda c: c.vocab_size + c.max_position_embeddings + c.type_vocab_size,
        "how many rows the tables have",
    ),
    (
        ch01.embedding_parameters,
        lambda c: (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * c.hidden_size + 2,
        "for EACH feature",
    ),
    (ch01.embedding_parameters, lambda c: (c.vocab_size + 512 + 2 + 2) * c.hidden_size, "ask the configuration"),
    (ch01.embedding_parameters, lambda c: c.vocabulary * c.hidden_size, "no attribute 'vocabulary'"),
    (ch01.megabytes, lambda m: sum(p.numel() for p in m.parameters()) / 1e6, "several bytes"),
    (ch01.megabytes, lambda m: sum(p.numel() for p in m.parameters()) * 4 / 1e6, "not every model is in float32"),
    (ch01.megabytes, lambda m: sum(p.nbytes for p in m.parameters()), "in bytes"),
    (ch01.megabytes, lambda m: sum(p.nbytes for p in m.parameters()) / 2**20, "mebibytes"),
    (ch01.megabytes, lambda m: "big", "return one number; your function returns a str"),
    (ch01.megabytes, lambda m: sum(p.nbytes for p in m.parameters()) // 1e6, "rounded"),
    (ch01.megabytes, lambda m: round(sum(p.nbytes for p in m.parameters()) / 1e6, 1), "rounded"),
    (ch01.megabytes, lambda m: sum(p.nbytes for p in m.parameters()) / 1e3, "in kilobytes"),
    (ch01.megabytes, lambda m: sum(p.nbytes for p in m.parameters()) * 8 / 1e6, "in bits"),
    (ch01.megabytes, lambda m: sum(p.element_size() for p in m.parameters()) / 1e6, "ONE number"),
    (ch01.megabytes, lambda m: next(m.parameters()).nbytes / 1e6, "first tensor alone"),
    (
        ch01.embedding_parameters,
        lambda c: c.vocab_size + c.max_position_embeddings + c.type_vocab_size * c.hidden_size + 2 * c.hidden_size,
        "in brackets",
    ),
    (ch01.embedding_parameters, lambda c: (30522 + 512 + 2 + 2) * 384, "in every case"),
    (
        ch01.megabytes,
        lambda m: sum(p.numel() for p in m.parameters()) * next(m.parameters()).element_size() / 1e6,
        "can differ in precision",
    ),
    (
        ch01.megabytes,
        lambda m: sum(p.numel() * (2 if p.dtype == torch.float16 else 4) for p in m.parameters()) / 1e6,
        "for a layer in torch.float64",
    ),
    (ch01.two_runs, in_evaluation, "your function changes that"),
    (ch01.two_runs, in_evaluation_and_back, "your function changes that"),
    (ch01.two_runs, lambda m, ids: (len(run(m, ids).hidden_states), 1.0), "two runs are to be compared"),
    (
        ch01.two_runs,
        lambda m, ids: (m.config.num_hidden_layers, lowest(run(m, ids), run(m, ids))),
        "before the first",
    ),
    (ch01.two_runs, lambda m, ids: (ids.shape[1], lowest(run(m, ids), run(m, ids))), "these are the tokens"),
    (ch01.two_runs, lambda m, ids: lowest(run(m, ids), run(m, ids)), "return two numbers"),
    (ch01.two_runs, lambda m, ids: (len(m(ids).hidden_states), 1), "output_hidden_states=True"),
    (ch01.two_runs, with_cosine(lambda a, b: torch.cosine_similarity(a, b, dim=-1).mean()), "or their mean"),
    (ch01.two_runs, with_cosine(lambda a, b: torch.cosine_similarity(a, b, dim=-1).max()), "this is the highest"),
    (ch01.two_runs, with_cosine(lambda a, b: torch.cosine_similarity(a, a, dim=-1).min()), "with itself"),
    (ch01.two_runs, with_cosine(lambda a, b: torch.cosine_similarity(a, b, dim=0).min()), "these are the features"),
    (
        ch01.two_runs,
        with_cosine(lambda a, b: torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)),
        "make one for each token",
    ),
    (ch01.two_runs, with_cosine(lambda a, b: (a * b).sum()), "the lowest cosine of its runs"),
]
