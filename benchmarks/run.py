"""How fast `bertutil.embed` is, beside other ways to the same vectors, each in float32 and in its best precision.

python benchmarks/run.py             all of it (an hour and a half on two quiet cores), then the report
python benchmarks/run.py --short     fewer sizes in fewer rounds, which are told
python benchmarks/run.py --float32   without bfloat16, for a processor that has no instructions for it
python benchmarks/run.py --quick     one model, few texts, two rounds; nothing is written
python benchmarks/run.py --report    the report: README.md and speed.png here, the table in the project's README
python benchmarks/run.py --flair P   word vectors beside flair's, which needs an environment of its own (flair 0.15
                                     does not work with transformers 5); P is that environment's python
python -m benchmarks.gpu             on a GPU; its results are kept in a file of their own

Needs the extra `work`. All ways run in one process, one after the other in each round, so that a slow moment of the
machine hits all of them. What counts is the ratio to sentence-transformers in the same precision, within a round.
Each round draws other texts: how much a way pads depends on which lengths meet in a batch, and so on the number of
texts too, which is why there are several. The median over the rounds is reported, and a way counts as ahead of
another where it was faster in every round. Before any time is taken, each way's vectors are compared with those of
the plainest one, one text at a time.
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
import warnings
from collections.abc import Callable, Iterator
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
UNIT, LOOP, LIMIT = "sentence-transformers", "the article's loop", "matrix products only"
HALF = ", bfloat16"  # the end of a way's name
BUDGET = 1_024  # padded tokens in a batch of the sorted ways
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


def sorted_batches(bert: bertutil.Bert, texts: list[str]) -> Iterator[tuple[list[int], dict[str, np.ndarray]]]:
    """Batches of at most BUDGET padded tokens, longest first: which texts, and their ids and masks."""
    rows = bert.tokenizer(texts, truncation=True, max_length=bert.max_length)["input_ids"]
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    while order:
        width = len(rows[order[0]])
        batch, order = order[: max(1, BUDGET // width)], order[max(1, BUDGET // width) :]
        ids, mask = np.zeros((2, len(batch), width), dtype=np.int64)
        for i, text in enumerate(batch):
            ids[i, : len(rows[text])] = rows[text]
            mask[i, : len(rows[text])] = 1
        yield batch, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def runtime(bert: bertutil.Bert, states: Callable[[dict[str, np.ndarray]], np.ndarray]) -> Way:
    """A loop over sorted batches; `states` gives the last layer's, [texts, tokens, features]."""

    def run(texts: list[str]) -> np.ndarray:
        vectors = np.empty((len(texts), bert.hidden_size), dtype=np.float32)
        for batch, inputs in sorted_batches(bert, texts):
            mask = inputs["attention_mask"][:, :, None]
            vectors[batch] = (states(inputs) * mask).sum(axis=1) / mask.sum(axis=1)
        return vectors

    return run


def example() -> dict[str, torch.Tensor]:
    """What a model is exported with: one text padded, or an export may leave the mask out."""
    ones = torch.ones(2, 7, dtype=torch.long)
    mask = ones.tril(5)
    return {"input_ids": ones, "attention_mask": mask, "token_type_ids": torch.zeros_like(ones)}


def openvino(bert: bertutil.Bert, precision: str) -> Way:
    """OpenVINO on the same model; `precision`: "f32" or "bf16"."""
    import openvino

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about what does not change with the input here
        model = openvino.convert_model(bert.model, example_input=example())
    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.compile_model(model, "CPU", options)
    return runtime(bert, lambda inputs: compiled(inputs)[0])


def onnx_runtime(bert: bertutil.Bert) -> Way:
    """ONNX Runtime on the same model, float32."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        free = {name: {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC} for name in example()}
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            bert.model,
            (),
            file,
            kwargs=example(),
            dynamo=True,
            dynamic_shapes=free,
            input_names=list(free),
            verbose=False,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return runtime(bert, lambda inputs: session.run(None, inputs)[0])


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


def float32_ways(bert: bertutil.Bert, folder: str) -> dict[str, Way]:
    """All of them give the last layer's mean, [CLS] and [SEP] included."""
    return {
        UNIT: sentence_transformers(bert, folder),
        LOOP: article_loop(bert),
        "batches of 32, given order": naive_batches(bert),
        "feature-extraction pipeline": feature_pipeline(bert),
        "embed": lambda texts: bertutil.embed(bert, texts, strategy="last", specials=True),
        "OpenVINO, sorted": openvino(bert, "f32"),
        "ONNX Runtime, sorted": onnx_runtime(bert),
    }


def bfloat16_ways(bert: bertutil.Bert, folder: str) -> dict[str, Way]:
    """The same of those that have it. `bert`: loaded in bfloat16."""
    return {
        f"{UNIT}{HALF}": sentence_transformers(bert, folder),
        f"embed{HALF}": lambda texts: bertutil.embed(bert, texts, strategy="last", specials=True),
        f"OpenVINO, sorted{HALF}": openvino(bertutil.load(folder), "bf16"),
    }


SLOW = (LOOP, "batches of 32, given order", "feature-extraction pipeline")  # left out from 5,000 texts on


def compare(folder: str, kind: str, n: int, threads: int, rounds: int, halves: bool = True) -> dict[str, object]:
    """All ways on one checkpoint and one kind of text: equality, then speed; with `halves` in bfloat16 too."""
    torch.set_num_threads(threads)
    bert, half = bertutil.load(folder), bertutil.load(folder, dtype=torch.bfloat16)
    draws = [make_texts(kind, n, seed) for seed in range(rounds)]
    some, where = draws[0][:64], str(locate(folder))
    ways, low = float32_ways(bert, where), bfloat16_ways(half, where) if halves else {}
    reference = ways[LOOP](some)
    gaps = {name: largest_difference(way(some), reference) for name, way in ways.items()}
    if wrong := {name: gap for name, gap in gaps.items() if gap > 1e-4}:
        raise SystemExit(f"these do not give the article's vectors, so their speed says nothing: {wrong}")
    cosines = {name: smallest_cosine(way(some), reference) for name, way in low.items()}
    if wrong := {name: cosine for name, cosine in cosines.items() if cosine < 0.999}:
        raise SystemExit(f"in bfloat16 these are too far from the float32 vectors: {wrong}")
    ways |= low
    if folder != "minilm":  # what such a checkpoint is good at, and what that gains
        second = "embed, second-to-last layer"
        ways[second] = lambda texts: bertutil.embed(bert, texts, strategy="second_to_last", specials=True)
        gaps[second] = largest_difference(ways[second](some), article_loop(bert, layer=-2)(some))
    ways[LIMIT] = only_products(bert)
    if n >= 5_000:
        ways = {name: way for name, way in ways.items() if name not in SLOW}
    seconds = interleaved(ways, draws)
    tokens = [sum(map(len, bert.tokenizer(texts)["input_ids"])) for texts in draws]
    return {
        "model": folder if folder == "minilm" else "bert-base shape, random weights",
        "texts": kind,
        "n_texts": n,
        "rounds": rounds,
        "tokens_per_text": sum(tokens) / n / rounds,
        "threads": threads,
        "machine": machine(),
        "batch_tokens": [packed.batch_tokens(bert.model), packed.batch_tokens(half.model)],
        "speed": in_precision(seconds),
        "tokens_per_second": statistics.median(t / s for t, s in zip(tokens, seconds["embed"], strict=True)),
        "largest_difference": max(gaps.values()),
        "smallest_cosine_bfloat16": min(cosines.values(), default=None),
    }


def in_precision(seconds: dict[str, list[float]]) -> dict[str, list[float]]:
    """How many times as fast as sentence-transformers in the same precision each way is, in each round.

    sentence-transformers in bfloat16 itself is compared with float32.
    """
    full, half = ratios(seconds, UNIT), ratios(seconds, f"{UNIT}{HALF}") if f"{UNIT}{HALF}" in seconds else {}
    return {name: (half if name.endswith(HALF) and not name.startswith(UNIT) else full)[name] for name in seconds}


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
    runs = results["comparisons"]
    heads = [f"{c['model']}: {c['n_texts']:,} {c['texts']} texts" for c in runs]
    gpu = datasets.benchmark("gpu")
    words = results["flair"]
    lines = [
        "# How fast is embed?",
        "",
        "Made by `python benchmarks/run.py`; the file's own text says how it measures. Each part names its machine.",
        "",
        "How many times as fast as sentence-transformers (`encode`, batches of 32) in the same precision, on the "
        "same checkpoint and texts; more is better. All ways were run in turn within each round, each round with "
        "texts of its own; medians over the rounds, the range of embed and of OpenVINO in the second table. Equal "
        "means: in float32 at most 0.0001 from one text at a time, in bfloat16 a cosine of at least 0.999, checked "
        f"in the same run. {PADDING}",
        "",
        *plots.speed_words(results),
        "",
        "![How many times as fast as sentence-transformers each way is, over the number of texts](speed.png)",
        "",
        "What an approximate index of 200,000 vectors finds, takes and saves: [index.md](index.md).",
        "",
        f"## {runs[0]['threads']} threads",
        "",
        f"Machine: {runs[0]['machine']}.",
        "",
        table(["way", *heads], speed_rows(runs)),
        "",
        table(["", *heads], detail_rows(runs)),
        "",
        "## In bfloat16, on a processor that has it",
        "",
        half_words(results["bfloat16"]),
        "",
        table(["way", *(f"{n:,} texts" for n in results["bfloat16"]["texts"])], half_rows(results["bfloat16"])),
        "",
        "## On a GPU",
        "",
        *plots.gpu_words(gpu),
        "",
        table(["texts per second", *(c["model"] for c in gpu["comparisons"])], gpu_rows(gpu)),
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
    plots.speed_curves(results).savefig(HERE / "speed.png", dpi=150)
    readme = HERE.parent / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    text = before + BEGIN + summary(results) + END + rest.partition(END)[2]
    readme.write_text(text, encoding="utf-8", newline="\n")


def summary(results: dict[str, Any]) -> str:
    """What the project's README says: texts of mixed length."""
    runs = [c for c in results["comparisons"] if c["texts"] == "mixed" and c["model"] == "minilm"]
    heads = [f"{c['n_texts']:,} texts" for c in runs]
    told = (
        f"Times as fast as {UNIT} in the same precision (its own line in bfloat16: against float32), the default "
        f"checkpoint, texts of mixed length, {runs[0]['threads']} threads, equal vectors. {runs[0]['machine']}."
    )
    half = results["bfloat16"]
    most, ways = f"{half['texts'][-1]:,}", {way: f"{speeds[-1]:.2f}" for way, speeds in half["ways"].items()}
    told_half = (
        f"With {most} texts on a processor with bfloat16 ({half['machine']}), each against {UNIT} in float32: "
        + "; ".join(f"{way} {speed}" for way, speed in ways.items())
        + "."
    )
    words = [*plots.speed_words(results), "", told_half, "", *plots.gpu_words(datasets.benchmark("gpu"))]
    return "\n".join(["", "", *words, "", table(["way", *heads], speed_rows(runs)), "", told, "", ""])


def half_words(measured: dict[str, Any]) -> str:
    """Where and when bfloat16 was measured, if not in the last run."""
    return (
        f"Times as fast as {UNIT} in float32, texts of mixed length, default checkpoint, vectors equal (bfloat16 to "
        f"{measured['largest_difference']} a number). Measured on {measured['date']} on another machine: "
        f"{measured['machine']}."
    )


def half_rows(measured: dict[str, Any]) -> list[list[str]]:
    """A row a way, a column a number of texts."""
    return [[way, *(f"{speed:.2f}" for speed in speeds)] for way, speeds in measured["ways"].items()]


def speed_rows(runs: list[dict[str, Any]]) -> list[list[str]]:
    """A row a way, a column a run; the median of the rounds, and nothing where a way was left out."""
    names = dict.fromkeys(name for run in runs for name in run["speed"])

    def cell(run: dict[str, Any], name: str) -> str:
        return f"{statistics.median(run['speed'][name]):.2f}" if name in run["speed"] else ""

    return [[name, *(cell(run, name) for run in runs)] for name in names]


def gpu_rows(results: dict[str, Any]) -> list[list[str]]:
    """A row a way, a column a model."""
    first, *_ = results["comparisons"]
    return [
        [name, *(f"{c['texts_per_second'][name]:,.0f}" for c in results["comparisons"])]
        for name in first["texts_per_second"]
    ]


def detail_rows(runs: list[dict[str, Any]]) -> list[list[str]]:
    """What else was measured, a column a run."""
    cells: dict[str, Callable[[dict[str, Any]], str]] = {
        "rounds": lambda c: str(c["rounds"]),
        "tokens per text": lambda c: f"{c['tokens_per_text']:.0f}",
        "embed: tokens in a batch, float32 and bfloat16": lambda c: "{:,}, {:,}".format(*c["batch_tokens"]),
    }
    for way in ("embed", f"embed{HALF}", "OpenVINO, sorted", f"OpenVINO, sorted{HALF}"):
        cells[f"{way}: lowest and highest of the rounds"] = lambda c, way=way: extremes(c["speed"].get(way))  # type: ignore[misc]
    cells |= {
        "tokens per second, embed": lambda c: f"{c['tokens_per_second']:,.0f}",
        "embed: share of the speed of the matrix products": lambda c: share(c["speed"]),
        "largest difference, float32": lambda c: f"{c['largest_difference']:.0e}",
        "smallest cosine, bfloat16": lambda c: f"{x:.5f}" if (x := c["smallest_cosine_bfloat16"]) else "",
    }
    return [[label, *map(cell, runs)] for label, cell in cells.items()]


def extremes(rounds: list[float] | None) -> str:
    """The lowest and the highest ratio of the rounds; nothing where a way was not measured."""
    return f"{min(rounds):.2f} to {max(rounds):.2f}" if rounds else ""


def share(speed: dict[str, list[float]]) -> str:
    """How near embed comes to the bare matrix products: the median over the rounds."""
    return f"{statistics.median(e / p for e, p in zip(speed['embed'], speed[LIMIT], strict=True)):.2f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def jobs(base: str, short: bool) -> list[tuple[str, str, int, int]]:
    """Checkpoint, kind of text, number of texts, rounds."""
    if short:
        sizes = [("minilm", 200, 3), ("minilm", 1_000, 3), ("minilm", 5_000, 2), (base, 200, 2)]
        return [(name, "mixed", n, rounds) for name, n, rounds in sizes]
    sizes = [("minilm", 200, 9), ("minilm", 1_000, 5), ("minilm", 5_000, 3), ("minilm", 20_000, 2)]
    sizes += [(base, 200, 5), (base, 1_000, 3), (base, 5_000, 2)]
    kinds = [("minilm", "short", 1_000, 5), ("minilm", "long", 100, 5)]
    return [(name, "mixed", n, rounds) for name, n, rounds in sizes] + kinds


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--flair", metavar="PYTHON")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.flair:
        results = json.loads(RESULTS.read_text(encoding="utf-8")) | {"flair": beside_flair(arguments.flair)}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        return report(results)
    if arguments.report:
        return report(json.loads(RESULTS.read_text(encoding="utf-8")))
    if arguments.quick:
        return print(json.dumps(compare("minilm", "mixed", 100, arguments.threads, rounds=2), indent=1))
    last = json.loads(RESULTS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        base = str(random_bert_base(Path(folder)))
        comparisons = []
        for name, kind, n, rounds in jobs(base, arguments.short):
            comparisons.append(compare(name, kind, n, arguments.threads, rounds, not arguments.float32))
            print(json.dumps(comparisons[-1], indent=1), flush=True)
    results = {
        "machine": last["machine"],
        "comparisons": comparisons,
        "growth": last["growth"],
        "flair": last["flair"],
    }
    if not arguments.short:  # what takes long and changes little stays; --flair by itself
        results |= {"machine": machine(), "growth": growth([1_000, 4_000, 16_000, 64_000])}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report(results)


if __name__ == "__main__":
    main()
