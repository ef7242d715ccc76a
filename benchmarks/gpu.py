"""How fast the ways of run.py are on a GPU: texts a second, in the same precision, in turn within each round.

python benchmarks/gpu.py [--model FOLDER]     prints JSON; needs a GPU (a minute or two on an H200)

Two models: the default checkpoint (or FOLDER), and one of bert-base's shape with random weights. Before any time is
taken, each way's float32 vectors on the GPU are compared with those of one text at a time on the CPU.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
import transformers
from torch.nn.attention import sdpa_kernel

import bertutil
from benchmarks import run
from bertutil import packed
from bertutil.checkpoints import locate

BATCHES = (32, 256)  # sentence-transformers' default, and one that suits a large GPU


def embeds_kernels() -> AbstractContextManager[None]:
    """The attention kernels that embed takes."""
    return sdpa_kernel(packed.KERNELS)


def encoder(
    bert: bertutil.Bert, folder: str, batch: int, kernels: Callable[[], AbstractContextManager[None]] = embeds_kernels
) -> run.Way:
    """sentence-transformers' encode on the GPU: the mean of the last layer, [CLS] and [SEP] included."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    body = Transformer(folder, max_seq_length=bert.max_length, model_kwargs={"dtype": bert.model.dtype})
    model = SentenceTransformer(modules=[body, Pooling(bert.hidden_size)], device="cuda")

    def encode(texts: list[str]) -> object:
        with kernels():
            return model.encode(texts, batch_size=batch, show_progress_bar=False)

    return encode


def ways(folder: str, dtype: torch.dtype) -> dict[str, run.Way]:
    """The ways in one precision."""
    bert = bertutil.load(folder, device="cuda", dtype=dtype)
    found = {f"{run.UNIT}, batches of {n}": encoder(bert, folder, n) for n in BATCHES}
    if dtype == torch.bfloat16:
        found[f"{run.UNIT} as it comes, batches of 256"] = encoder(bert, folder, 256, nullcontext)
    return found | {"embed": lambda texts: bertutil.embed(bert, texts, strategy="last", specials=True)}


def measure(name: str, folder: str, n: int, rounds: int) -> dict[str, object]:
    """One model: equality, then texts a second of each way, and how long tokenizing alone takes."""
    on_cpu = bertutil.load(folder)
    draws = [run.make_texts("mixed", n, seed) for seed in range(rounds)]
    some = draws[0][:64]
    reference = run.article_loop(on_cpu)(some)
    full = ways(folder, torch.float32)
    gaps = {way: run.largest_difference(compute(some), reference) for way, compute in full.items()}
    if max(gaps.values()) > 1e-3:
        raise SystemExit(f"these do not give the CPU's vectors, so their speed says nothing: {gaps}")
    half = ways(folder, torch.bfloat16)
    cosines = {way: run.smallest_cosine(compute(some), reference) for way, compute in half.items()}
    both = {f"{way}, float32": f for way, f in full.items()} | {f"{way}, bfloat16": f for way, f in half.items()}
    for compute in both.values():
        compute(draws[0][:2_000])  # warm
    seconds = run.interleaved(both, draws)
    recipe = packed.make_recipe(on_cpu, "sentence", "last", "mean", True)
    start = time.perf_counter()
    tokens = sum(len(pieces.ids) + 2 for pieces in packed.tokenize(recipe, draws[0]))
    tokenizing = time.perf_counter() - start
    return {
        "model": name,
        "n_texts": n,
        "rounds": rounds,
        "tokens_per_text": tokens / n,
        "batch_tokens": packed.batch_tokens(bertutil.load(folder, device="cuda").model),
        "texts_per_second": {way: n / statistics.median(each) for way, each in seconds.items()},
        "range": {way: [n / max(each), n / min(each)] for way, each in seconds.items()},
        "tokenizing_seconds": tokenizing,
        "embed_seconds": {way: statistics.median(seconds[way]) for way in seconds if way.startswith("embed")},
        "largest_difference": max(gaps.values()),
        "smallest_cosine_bfloat16": min(cosines.values()),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="minilm", help="a checkpoint of the default one's shape")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("torch finds no GPU here")
    with tempfile.TemporaryDirectory() as folder:
        base = str(run.random_bert_base(Path(folder), options.model))
        jobs = {"minilm": str(locate(options.model)), "bert-base shape, random weights": base}
        results = {
            "machine": f"{torch.cuda.get_device_name()}, torch {torch.__version__}, "
            f"transformers {transformers.__version__}",
            "comparisons": [measure(name, path, options.texts, options.rounds) for name, path in jobs.items()],
        }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
