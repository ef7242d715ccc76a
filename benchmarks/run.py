"""How fast `bertutil.embed` is, beside other ways to the same vectors.

python benchmarks/run.py             all of it (an hour and a half on two cores), then the report
python benchmarks/run.py --threads N one number of threads; what the last results hold for another one stays
python benchmarks/run.py --quick     one model, one kind of text, two rounds; nothing is written
python benchmarks/run.py --report    the report: README.md and speed.png here, the table in the project's README
python benchmarks/run.py --flair P   word vectors beside flair's, which needs an environment of its own (flair 0.15
                                     does not work with transformers 5); P is that environment's python

All ways run in one process, one after the other in each round, so that a slow moment of the machine hits all of them.
What counts is the ratio to sentence-transformers within a round. Each round draws other texts: how much a way pads
depends on which lengths meet in a batch, and so on the number of texts too: on two threads, mixed texts are taken in
two numbers. The median over the rounds is reported, and beside it the range. Before any time is taken, each way's
vectors are compared with those of the plainest one, one text at a time.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from transformers import BertConfig, BertModel, pipeline

import bertutil
from bertutil import packed
from bertutil.checkpoints import locate
from bertutil.course import datasets, plots

HERE = Path(__file__).parent
RESULTS = HERE.parent / "bertutil/course/datasets/benchmark.json"  # in the package: chapter 13 shows them anywhere
UNIT, LOOP = "sentence-transformers", "the article's loop"
PADDING = f"{UNIT} sorts the texts by length: the more of them there are, the less it pads and the less embed gains."
BEGIN, END = "<!-- by benchmarks/run.py -->", "<!-- end -->"  # around its table in the project's README
Way = Callable[[list[str]], object]


def make_texts(kind: str, n: int, seed: int = 0) -> list[str]:
    """`n` different English texts of about 17, 34 or 300 tokens; "mixed" ones have 3 to 200 words."""
    sentences = [s.sentence for s in datasets.senses()] + datasets.distractors()
    sentences += [sentence for story in datasets.stories() for sentence in story.sentences]
    draw = random.Random(seed)

    def length() -> int:
        if kind == "mixed":
            return min(200, max(3, round(draw.lognormvariate(3.1, 0.8))))
        return {"short": 14, "long": 265}[kind]

    texts: dict[str, None] = {}
    while len(texts) < n:
        words: list[str] = []
        wanted = length()
        while len(words) < wanted:
            words += draw.choice(sentences).split()
        texts[" ".join(words[:wanted])] = None
    return list(texts)


def random_bert_base(folder: Path, vocabulary: str = "minilm") -> Path:
    """A checkpoint of bert-base's shape with random weights: speed does not depend on their values.

    `vocabulary`: the checkpoint whose tokenizer it gets.
    """
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=30522)).save_pretrained(folder)
    bertutil.load(vocabulary).tokenizer.save_pretrained(folder)
    return folder


# --- the ways: each takes texts and returns an array [n, features] ---


def article_loop(bert: bertutil.Bert, layer: int = -1) -> Way:
    """One text at a time, all hidden states kept, as in the 2019 article (with a proper mask)."""

    def run(texts: list[str]) -> np.ndarray:
        vectors = []
        for text in texts:
            inputs = bert.tokenizer(text, return_tensors="pt", truncation=True, max_length=bert.max_length)
            with torch.no_grad():
                states = bert.model(**inputs, output_hidden_states=True).hidden_states
            vectors.append(states[layer][0].mean(dim=0).float().numpy())
        return np.stack(vectors)

    return run


def article_words(bert: bertutil.Bert) -> Way:
    """The article's loop for words: the sum of the last four layers for each token of one text at a time."""

    def run(texts: list[str]) -> list[np.ndarray]:
        vectors = []
        for text in texts:
            inputs = bert.tokenizer(text, return_tensors="pt", truncation=True, max_length=bert.max_length)
            with torch.no_grad():
                states = bert.model(**inputs, output_hidden_states=True).hidden_states
            vectors.append(torch.stack(states[-4:]).sum(dim=0)[0, 1:-1].numpy())
        return vectors

    return run


def naive_batches(bert: bertutil.Bert) -> Way:
    """Batches of 32 in the given order, padded to the longest, mean under the mask."""

    def run(texts: list[str]) -> np.ndarray:
        vectors = []
        for i in range(0, len(texts), 32):
            inputs = bert.tokenizer(
                texts[i : i + 32], return_tensors="pt", padding=True, truncation=True, max_length=bert.max_length
            )
            with torch.no_grad():
                last = bert.model(**inputs).last_hidden_state
            mask = inputs["attention_mask"][:, :, None]
            vectors.append(((last * mask).sum(dim=1) / mask.sum(dim=1)).numpy())
        return np.concatenate(vectors)

    return run


def feature_pipeline(bert: bertutil.Bert) -> Way:
    """transformers' feature-extraction pipeline; it returns vectors for padding too, which are cut off here."""
    extract = pipeline("feature-extraction", model=bert.model, tokenizer=bert.tokenizer, device="cpu")

    def run(texts: list[str]) -> np.ndarray:
        lengths = [len(ids) for ids in bert.tokenizer(texts)["input_ids"]]
        found = extract(texts, batch_size=32, return_tensors=True)
        return np.stack([x[0, :n].mean(dim=0).numpy() for x, n in zip(found, lengths, strict=True)])

    return run


def sentence_transformers(bert: bertutil.Bert, folder: str) -> Way:
    """sentence-transformers' encode with batches of 32: sorts by length in characters."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    body = Transformer(folder, max_seq_length=bert.max_length, model_kwargs={"dtype": bert.model.dtype})
    encoder = SentenceTransformer(modules=[body, Pooling(bert.hidden_size)], device="cpu")
    return lambda texts: encoder.encode(texts, batch_size=32, show_progress_bar=False)


FLAIR = """
import json, os, sys
answer, sys.stdout = sys.stdout, sys.stderr  # flair's log goes to stdout
import numpy, torch
import flair, transformers
from flair.data import Sentence
from flair.embeddings import TransformerWordEmbeddings
folder, threads, vectors = sys.argv[1:]
torch.set_num_threads(int(threads))
embedding = TransformerWordEmbeddings(folder, layers="-1,-2,-3,-4", layer_mean=False, subtoken_pooling="mean")
print(f"flair {flair.__version__}, transformers {transformers.__version__}", file=answer, flush=True)
for line in sys.stdin:
    sentences = [Sentence(text.split()) for text in json.loads(line)]
    for i in range(0, len(sentences), 32):
        embedding.embed(sentences[i : i + 32])
    if not os.path.exists(vectors):  # once: for the comparison
        numpy.save(vectors, torch.stack([word.embedding for own in sentences for word in own]).numpy())
    print("done", file=answer, flush=True)
"""


def beside_flair(python: str, threads: int = 2, rounds: int = 5) -> dict[str, object]:
    """Word vectors (the sum of the last four layers, default checkpoint): embed, and flair in a process beside it."""
    torch.set_num_threads(threads)
    bert, draws = bertutil.load(), [make_texts("mixed", 192, seed) for seed in range(rounds)]
    some = draws[0][:64]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vectors.npy"
        command = [python, "-c", FLAIR, str(locate("minilm")), str(threads), str(file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
            ask, answer = cast(IO[str], worker.stdin), cast(IO[str], worker.stdout)
            if not (versions := answer.readline().strip()):
                raise SystemExit(f"flair did not start with {python}; what it says stands above")

            def flair(texts: list[str]) -> None:
                print(json.dumps(texts), file=ask, flush=True)
                if answer.readline() != "done\n":
                    raise SystemExit("flair stopped; what it says stands above")

            def embed(texts: list[str]) -> list[np.ndarray]:
                return bertutil.embed(bert, [text.split() for text in texts], unit="word")  # type: ignore[return-value]

            flair(some)
            theirs = np.load(file).reshape(-1, 4, bert.hidden_size).sum(axis=1)  # flair puts the layers in a row
            gap = largest_difference(theirs, np.concatenate(embed(some)))
            if gap > 1e-4:
                raise SystemExit(f"flair's word vectors and embed's differ by {gap}, so their speed says nothing")
            seconds = interleaved({"flair": flair, "embed": embed}, draws)
    return {
        "machine": f"{machine()}; {versions}",
        "threads": threads,
        "rounds": rounds,
        "largest_difference": gap,
        "speed": medians(ratios(seconds, "flair"))["embed"],
    }


def only_products(bert: bertutil.Bert) -> Way:
    """The matrix products of all layers on as many tokens, and nothing else: the limit for ways that compute all."""
    weights = [
        module.weight
        for layer in bert.model.encoder.layer
        for module in layer.modules()
        if isinstance(module, torch.nn.Linear)
    ]
    narrow, wide = bert.hidden_size, bert.model.config.intermediate_size
    inputs = {width: torch.randn(1024, width, dtype=bert.model.dtype) for width in (narrow, wide)}

    def run(texts: list[str]) -> None:
        left = sum(map(len, bert.tokenizer(texts)["input_ids"]))
        with torch.no_grad():
            while left > 0:
                for weight in weights:
                    F.linear(inputs[weight.shape[1]][:left], weight)
                left -= 1024

    return run


# --- measuring ---


def interleaved(ways: dict[str, Way], draws: list[list[str]]) -> dict[str, list[float]]:
    """Seconds of each way, once a round; each round has its own texts."""
    for way in ways.values():  # warm up
        way(draws[0][:8])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for texts in draws:
        for name, way in ways.items():
            start = time.perf_counter()
            way(texts)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(seconds: dict[str, list[float]], unit: str) -> dict[str, list[float]]:
    """How many times as fast as `unit`, in each round."""
    return {name: [u / s for u, s in zip(seconds[unit], each, strict=True)] for name, each in seconds.items()}


def medians(found: dict[str, list[float]]) -> dict[str, float]:
    """Over the rounds."""
    return {name: statistics.median(each) for name, each in found.items()}


def compare(folder: str, kind: str, n: int, threads: int, rounds: int) -> dict[str, object]:
    """All ways on one checkpoint and one kind of text: equality, then speed."""
    torch.set_num_threads(threads)
    bert, half = bertutil.load(folder), bertutil.load(folder, dtype=torch.bfloat16)
    draws = [make_texts(kind, n, seed) for seed in range(rounds)]
    some = draws[0][:64]
    ways: dict[str, Way] = {
        UNIT: sentence_transformers(bert, str(locate(folder))),
        LOOP: article_loop(bert),
        "batches of 32, given order": naive_batches(bert),
        "feature-extraction pipeline": feature_pipeline(bert),
        "embed, last layer": lambda t: bertutil.embed(bert, t, strategy="last", specials=True),
    }
    equal = {name: largest_difference(way(some), ways[LOOP](some)) for name, way in ways.items()}
    wrong = {name: gap for name, gap in equal.items() if gap > 1e-4}
    if wrong:
        raise SystemExit(f"these do not give the article's vectors, so their speed says nothing: {wrong}")

    second = "embed, second-to-last layer"
    ways[second] = lambda t: bertutil.embed(bert, t, strategy="second_to_last", specials=True)
    equal[second] = largest_difference(ways[second](some), article_loop(bert, layer=-2)(some))
    low = "embed, second-to-last layer, bfloat16"
    ways[low] = lambda t: bertutil.embed(half, t, strategy="second_to_last", specials=True)
    cosine = smallest_cosine(ways[low](some), ways[second](some))
    ways["matrix products only"] = only_products(bert)
    seconds = interleaved(ways, draws)
    found = ratios(seconds, UNIT)

    words = {LOOP: article_words(bert), "embed": lambda t: bertutil.embed(bert, t, unit="token")}
    gap = max(map(largest_difference, *(way(some) for way in words.values())))
    if gap > 1e-4:
        raise SystemExit(f"the token vectors differ by {gap}")
    tokens = [sum(map(len, bert.tokenizer(texts)["input_ids"])) for texts in draws]
    last = "embed, last layer"
    share = ratios(seconds, "matrix products only")[last]
    return {
        "model": folder if folder == "minilm" else "bert-base shape, random weights",
        "texts": kind,
        "n_texts": n,
        "rounds": rounds,
        "tokens_per_text": sum(tokens) / n / rounds,
        "threads": threads,
        "machine": machine(),
        "batch_tokens": [packed.batch_tokens(bert.model), packed.batch_tokens(half.model)],
        "speed": medians(found),
        "range": {name: [min(each), max(each)] for name, each in found.items()},
        "tokens_per_second": statistics.median(t / s for t, s in zip(tokens, seconds[last], strict=True)),
        "share_of_products": statistics.median(share),
        "largest_difference": max(equal.values()),
        "smallest_cosine_bfloat16": cosine,
        "token_vectors_against_loop": medians(ratios(interleaved(words, draws), LOOP)),
    }


def largest_difference(a: object, b: object) -> float:
    """Of two arrays."""
    return float(np.abs(np.asarray(a) - np.asarray(b)).max())


def smallest_cosine(a: object, b: object) -> float:
    """Of the rows of two arrays."""
    return float(bertutil.cosine_similarity(np.asarray(a), np.asarray(b)).diagonal().min())


GROWTH = """
import sys, time, bertutil
from pathlib import Path
def peak():  # in KiB; getrusage would tell the largest of the parent process too
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1])
sys.path.insert(0, {here!r})
from run import make_texts
bert, texts = bertutil.load(), make_texts("short", {n})
bertutil.embed(bert, texts[:64])
before = peak()
start = time.perf_counter()
bertutil.embed_corpus(bert, texts, {out!r}, progress=False)
seconds = time.perf_counter() - start
print(seconds, (peak() - before) / 1024)
"""


def growth(sizes: list[int]) -> list[dict[str, float]]:
    """Seconds and added memory (MiB) of embed_corpus on n short lines, each n in a process of its own."""
    rows = []
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            code = GROWTH.format(here=str(HERE), n=n, out=str(Path(folder) / "out"))
            answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        seconds, added = map(float, answer.split())
        rows.append({"lines": n, "seconds": seconds, "added_mib": added})
        print(rows[-1], flush=True)
    return rows


def machine() -> str:
    """The processor, its threads, and the versions that matter."""
    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), name)
    import transformers

    return (
        f"{name}, {os.cpu_count()} cores; {torch.backends.cpu.get_cpu_capability()}; "
        f"Python {platform.python_version()}, torch {torch.__version__.partition('+')[0]}, "
        f"transformers {transformers.__version__}"
    )


def report(results: dict[str, Any]) -> None:
    """Write README.md and speed.png, and the table in the project's README."""
    lines = [
        "# How fast is embed?",
        "",
        "Made by `python benchmarks/run.py`; the file's own text says how it measures. Each part names its machine.",
        "",
        "How many times as fast as sentence-transformers (`encode`, batches of 32) on the same checkpoint and texts; "
        "more is better. All ways were run in turn within each round, each round with texts of its own; medians over "
        "the rounds, with embed's range in the second table. "
        f"Equal means: at most 0.0001 from one text at a time, checked in the same run. {PADDING}",
        "",
        "![How many times as fast as sentence-transformers each way is, as bars](speed.png)",
    ]
    for threads in sorted({c["threads"] for c in results["comparisons"]}, reverse=True):
        runs = [c for c in results["comparisons"] if c["threads"] == threads]
        heads = [f"{c['model']}: {c['n_texts']:,} {c['texts']} texts" for c in runs]
        lines += ["", f"## {threads} thread{'s' * (threads > 1)}", "", f"Machine: {runs[0]['machine']}."]
        lines += ["", table(["way", *heads], speed_rows(runs))]
        lines += ["", table(["", *heads], detail_rows(runs))]
    words = results["flair"]
    lines += [
        "",
        "## Beside flair",
        "",
        f"Word vectors, the sum of the last four layers, the mean of a word's pieces; default checkpoint, texts of "
        f"mixed length, {words['threads']} threads, {words['rounds']} rounds in turn. flair has an environment of "
        f"its own, as it needs an older transformers. **embed is {words['speed']:.1f} times as fast as flair**; "
        f"largest difference {words['largest_difference']:.0e}. Machine: {words['machine']}.",
        "",
        "## More lines",
        "",
        "`embed_corpus`, the default checkpoint, short lines, each row in a process of its own. "
        f"Memory: the largest resident size beyond that of the loaded model. Machine: {results['machine']}.",
        "",
        table(
            ["lines", "seconds", "lines per second", "added memory (MiB)"],
            [
                [
                    f"{r['lines']:,}",
                    f"{r['seconds']:.1f}",
                    f"{r['lines'] / r['seconds']:,.0f}",
                    f"{r['added_mib']:.0f}",
                ]
                for r in results["growth"]
            ],
        ),
    ]
    (HERE / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    plots.speed_bars(results).savefig(HERE / "speed.png", dpi=150)
    readme = HERE.parent / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    text = before + BEGIN + summary(results) + END + rest.partition(END)[2]
    readme.write_text(text, encoding="utf-8", newline="\n")


def summary(results: dict[str, Any]) -> str:
    """What the project's README says: texts of mixed length, with the most threads."""
    runs = plots.speed_runs(results)
    heads = [f"{c['model']}: {c['n_texts']:,} texts" for c in runs]
    told = (
        f"Times as fast as {UNIT}, texts of mixed length, {runs[0]['threads']} threads, equal vectors "
        f"(bfloat16: see there). {PADDING} {runs[0]['machine']}."
    )
    return "\n".join(["", "", table(["way", *heads], speed_rows(runs)), "", told, "", ""])


def speed_rows(runs: list[dict[str, Any]]) -> list[list[str]]:
    """A row a way, a column a run."""
    return [[name, *(f"{run['speed'][name]:.2f}" for run in runs)] for name in runs[0]["speed"]]


def detail_rows(runs: list[dict[str, Any]]) -> list[list[str]]:
    """What else was measured, a column a run."""
    cells: dict[str, Callable[[dict[str, Any]], str]] = {
        "rounds": lambda c: str(c["rounds"]),
        "tokens per text": lambda c: f"{c['tokens_per_text']:.0f}",
        "embed: tokens in a batch, float32 and bfloat16": lambda c: "{:,}, {:,}".format(*c["batch_tokens"]),
        "embed, last layer: lowest and highest of the rounds": lambda c: extremes(c, "embed, last layer"),
        "embed, second-to-last layer: lowest and highest": lambda c: extremes(c, "embed, second-to-last layer"),
        "tokens per second, embed, last layer": lambda c: f"{c['tokens_per_second']:,.0f}",
        "share of the speed of the matrix products": lambda c: f"{c['share_of_products']:.2f}",
        "embed, last layer: times the article's loop": lambda c: (
            f"{c['speed']['embed, last layer'] / c['speed'][LOOP]:.2f}"
        ),
        "largest difference, float32": lambda c: f"{c['largest_difference']:.0e}",
        "smallest cosine, bfloat16": lambda c: f"{c['smallest_cosine_bfloat16']:.5f}",
    }
    for name in runs[0]["token_vectors_against_loop"]:
        if name != LOOP:
            label = f"token vectors (sum of the last four), {name}: times the article's loop"
            cells[label] = lambda c, name=name: f"{c['token_vectors_against_loop'][name]:.2f}"  # type: ignore[misc]
    return [[label, *map(cell, runs)] for label, cell in cells.items()]


def extremes(run: dict[str, Any], way: str) -> str:
    """The lowest and the highest ratio of the rounds."""
    return "{:.2f} to {:.2f}".format(*run["range"][way])


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--flair", metavar="PYTHON")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.flair:
        results = json.loads(RESULTS.read_text(encoding="utf-8")) | {"flair": beside_flair(arguments.flair)}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        return report(results)
    if arguments.report:
        return report(json.loads(RESULTS.read_text(encoding="utf-8")))
    if arguments.quick:
        return print(json.dumps(compare("minilm", "mixed", 256, 2, rounds=2), indent=1))
    last = json.loads(RESULTS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        base = str(random_bert_base(Path(folder)))
        comparisons = [c for c in last["comparisons"] if arguments.threads not in (None, c["threads"])]
        for threads in [arguments.threads] if arguments.threads else [2, 1]:
            for name, rounds in (("minilm", 9), (base, 5)):
                jobs = [("mixed", 192, rounds), ("short", 96, rounds), ("long", 32, rounds), ("mixed", 1000, 3)]
                for kind, n, times in jobs if threads > 1 else jobs[:-1]:
                    comparisons.append(compare(name, kind, n, threads, times))
                    print(json.dumps(comparisons[-1], indent=1), flush=True)
    results = {"machine": machine(), "comparisons": comparisons, "growth": growth([1_000, 4_000, 16_000, 64_000])}
    results["flair"] = last["flair"]  # measured by itself: --flair
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report(results)


if __name__ == "__main__":
    main()
