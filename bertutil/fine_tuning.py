"""Chapters 11 and 12: train a head on [CLS], texts in and names of classes out; or train the vectors themselves."""

import copy
import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertForSequenceClassification

from bertutil.checkpoints import Bert, load, quiet
from bertutil.encoding import Encoding, encode
from bertutil.pieces import Texts
from bertutil.pooling import pool_sentences


@dataclass(frozen=True)
class Classifier:
    """A BERT with a head that tells classes apart: texts in, the names of the classes out.

    `model` is transformers' BertForSequenceClassification: the state of [CLS] goes through the pooler (a linear map
    and a tanh), dropout, and a linear map with one row a class. `bert`: the tokenizer, and the BERT within `model`.
    """

    bert: Bert
    model: BertForSequenceClassification

    @property
    def labels(self) -> list[str]:
        """The names of the classes, in the order of the columns of logits() and probabilities()."""
        names = self.model.config.id2label
        return [str(names[i]) for i in range(len(names))]

    @torch.no_grad()
    def logits(self, texts: Texts | Encoding) -> Float[Tensor, "rows classes"]:
        """Return the score of every class for every text: what the model's own forward gives.

        `texts`: what encode() takes; or what it returned, for pairs of texts, and for texts that were cut. Raises
        ValueError as encode() does, and for a model in training mode.
        """
        if any(part.training for part in self.model.modules()):
            raise ValueError("the classifier is in training mode, where answers are random; call .model.eval() first")
        encoding = texts if isinstance(texts, Encoding) else encode(self.bert, texts)
        n = len(encoding.input_ids)
        parts = [row_logits(self.model, encoding, torch.arange(i, min(i + 64, n))) for i in range(0, n, 64)]
        return torch.cat([torch.zeros(0, len(self.labels), device=encoding.input_ids.device), *parts])

    def probabilities(self, texts: Texts | Encoding) -> Float[Tensor, "rows classes"]:
        """Return the probability of every class for every text: the softmax of its logits. See logits()."""
        return self.logits(texts).softmax(dim=1)

    def predict(self, texts: Texts | Encoding) -> list[str]:
        """Return the name of the likeliest class for every text. See logits()."""
        names = self.labels
        return [names[i] for i in self.logits(texts).argmax(dim=1).tolist()]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that load_classifier() reads, and transformers' AutoModelForSequenceClassification.

        Raises ValueError where the folder holds something already.
        """
        if Path(folder).exists() and any(Path(folder).iterdir()):
            raise ValueError(f"{folder} is not empty; give a new folder, so that nothing is overwritten")
        with quiet():
            self.model.save_pretrained(folder)
            self.bert.tokenizer.save_pretrained(folder)


def load_classifier(folder: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Classifier:
    """Load what Classifier.save() wrote, or transformers' Trainer for a BertForSequenceClassification, to predict.

    Raises ValueError for what load() refuses, and for a folder that holds no such classifier, or one that does not
    choose one of several classes (a regression, several labels at once).
    """
    bert = load(Path(folder), device=device)
    config = bert.model.config
    kind = config.problem_type or "single_label_classification"
    if kind != "single_label_classification" or config.num_labels < 2:
        raise ValueError(
            f"{folder} holds a model for {kind} with {config.num_labels} outputs, and a Classifier chooses one of "
            "two classes or more; use transformers' AutoModelForSequenceClassification"
        )
    if bert.model.pooler is None:
        raise ValueError(f"{folder} holds no classifier: the weights have no pooler; train one with train_cls()")
    model = _with_head(bert, config.id2label)
    try:
        with safe_open(Path(folder) / "model.safetensors", "pt") as file:
            state = {name: file.get_tensor(f"classifier.{name}") for name in ("weight", "bias")}
        model.classifier.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"{folder} holds no classifier for {config.num_labels} classes in model.safetensors "
            f"({' '.join(str(error).split())}); write one with Classifier.save()"
        ) from error
    return Classifier(bert, model.eval())


def row_logits(
    model: BertForSequenceClassification, encoding: Encoding, rows: Int[Tensor, " some"]
) -> Float[Tensor, "some classes"]:
    """Return the logits of the rows asked for, with gradients where torch has them switched on."""
    mask = encoding.attention_mask[rows]
    width = int(mask.sum(dim=1).max())  # what is padding in all of these rows is cut off
    output = model(
        input_ids=encoding.input_ids[rows, :width],
        attention_mask=mask[:, :width],
        token_type_ids=encoding.token_type_ids[rows, :width],
    )
    logits: Tensor = output.logits
    return logits


@torch.enable_grad()
def train_cls(
    bert: Bert,
    texts: Texts | Encoding,
    labels: Sequence[str] | Sequence[int],
    *,
    epochs: int = 4,
    batch_size: int = 16,
    learning_rate: float = 5e-5,
    seed: int = 0,
    together: int = 1,
    layers: int | None = None,
) -> Classifier:
    """Fine-tune a copy of the model, and a new head on its [CLS], to tell `labels` from the texts.

    `texts`: what encode() takes; or what it returned, for pairs of texts, and for texts that were cut. `labels`: for
    every text the name of its class, or its number, which is then the name. The head is the one of transformers'
    BertForSequenceClassification: pooler, dropout, and a linear map that is new. A checkpoint without a pooler gets
    a new one too, and a warning says so.

    As transformers' Trainer trains with weight_decay=0.01 and warmup_steps=0.1: the loss is the cross entropy; the
    optimizer AdamW, whose decay of 0.01 spares biases and the weights of the LayerNorms; gradients longer than 1 are
    clipped; the learning rate rises over the first tenth of the steps to `learning_rate` and falls to 0 over the
    others. `seed` settles the new weights, the order of the texts and the dropout: the same seed on the same machine
    gives the same weights. `together`: so many texts that stand one behind the other come into the same batch; 2
    for next-sentence pairs, whose loss falls sooner when a true and a wrong pair with the same first sentence meet.
    `layers`: how many are trained, from above; see trainable_copy(). Parameters with requires_grad=False stay as
    they are.

    The given model and torch's own random numbers are left untouched. The result is in evaluation mode.

    Raises ValueError for what encode() refuses, a number of labels other than of texts, labels that are neither all
    names nor all whole numbers, fewer than two classes, epochs, batch size or learning rate that are not positive, a
    `together` that does not divide the batch size and the texts, and `layers` that the model does not have. Sources:
    the BERT paper (arXiv 1810.04805), 4.1 and A.2 to A.3; claims C24, C33.
    """
    encoding = texts if isinstance(texts, Encoding) else encode(bert, texts)
    names = _class_names(encoding, labels)
    if min(epochs, batch_size, learning_rate) <= 0:
        raise ValueError(
            f"epochs ({epochs}), batch_size ({batch_size}), learning_rate ({learning_rate}): all above 0"
        )
    if together < 1 or batch_size % together or len(labels) % together:
        raise ValueError(
            f"together is {together}; it must divide batch_size ({batch_size}) and the {len(labels)} texts"
        )
    places = {label: i for i, label in enumerate(names)}
    target = torch.tensor([places[str(label)] for label in labels], device=encoding.input_ids.device)
    groups = torch.arange(len(labels)).view(-1, together)
    if bert.model.pooler is None:
        warnings.warn(f"{bert.name} has no pooler: a new one is trained, random with seed {seed}", stacklevel=2)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trained = trainable_copy(bert, layers)
        model: Any = _with_head(trained, dict(enumerate(names))).float().train()
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(decay_groups(parameters), lr=learning_rate, fused=True)  # the same, faster
        n_steps = epochs * math.ceil(len(groups) / (batch_size // together))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warm_up(n_steps))
        for _ in range(epochs):
            for chosen in torch.split(torch.randperm(len(groups)), batch_size // together):
                rows = groups[chosen].flatten()
                loss = functional.cross_entropy(row_logits(model, encoding, rows), target[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                schedule.step()
        model.eval()
        optimizer.zero_grad()  # gives the gradients' memory back
    return Classifier(trained, model)


def decay_groups(parameters: Sequence[nn.Parameter], decay: float = 0.01) -> list[dict[str, Any]]:
    """Return the two groups for AdamW: matrices, whose weights decay, and the others, biases and LayerNorms.

    Sources: the BERT paper (arXiv 1810.04805), A.2, for the 0.01; for what it spares, the authors' optimization.py.
    """
    matrices = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim < 2]
    return [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def trainable_copy(bert: Bert, layers: int | None = None) -> Bert:
    """Return a copy whose upper `layers` layers can be trained; None: all of it, with the embeddings.

    What lies below is frozen (requires_grad=False) and takes no memory: it is shared with the given model, which is
    left untouched. Raises ValueError for `layers` that are not between 1 and bert.n_layers. Source: Lee, Tang and
    Lin, "What would Elsa do? Freezing layers during transformer fine-tuning" (arXiv 1911.03090).
    """
    below: list[nn.Module] = []
    if layers is not None:
        if not 1 <= layers <= bert.n_layers:
            raise ValueError(f"layers is {layers}; this model has {bert.n_layers}, so: 1 to {bert.n_layers}, or None")
        below = [bert.model.embeddings, *bert.model.encoder.layer[: bert.n_layers - layers]]
    # deepcopy takes what it finds in this table instead of copying it
    shared = {id(p): nn.Parameter(p.detach(), requires_grad=False) for part in below for p in part.parameters()}
    return replace(bert, model=copy.deepcopy(bert.model, shared))


def warm_up(n_steps: int, share: float = 0.1) -> Callable[[int], float]:
    """Return the factor of the learning rate for each step: up over the first `share` of them, then down to 0.

    It begins with 0, as transformers' get_linear_schedule_with_warmup does: the first step moves nothing.
    """
    rise = math.ceil(share * n_steps)
    return lambda step: step / rise if step < rise else (n_steps - step) / max(1, n_steps - rise)


def _with_head(bert: Bert, names: dict[int, str]) -> BertForSequenceClassification:
    """Put this very model into a BertForSequenceClassification; the head, and a pooler that it lacks, are new."""
    config = bert.model.config
    config.id2label, config.label2id = names, {name: i for i, name in names.items()}
    config.problem_type = "single_label_classification"
    with torch.device("meta"):  # takes no room and no time: its BERT is replaced
        model: Any = BertForSequenceClassification(config)
    new = [model.classifier]
    if bert.model.pooler is None:
        bert.model.pooler = model.bert.pooler
        new.insert(0, model.bert.pooler.dense)
    model.bert = bert.model
    for part in new:  # as the library's own _init_weights; drawn on the CPU, so that a seed means the same everywhere
        part.to_empty(device="cpu").float()
        nn.init.normal_(part.weight, std=config.initializer_range)
        nn.init.zeros_(part.bias)
    return model.to(bert.model.device)


def _class_names(encoding: Encoding, labels: Sequence[str] | Sequence[int]) -> list[str]:
    """Refuse labels that do not fit, and return the names of the classes: numbers in their order, names by letter."""
    rows = len(encoding.input_ids)
    if len(labels) != rows:
        raise ValueError(f"there are {rows} texts and {len(labels)} labels; each text needs one")
    kind = str if isinstance(next(iter(labels), None), str) else int
    for row, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, kind):
            raise ValueError(
                f"label {row} is {label!r}; names (str) are needed, or whole numbers (of an array, .tolist())"
            )
    found: set[Any] = set(labels)
    if len(found) < 2:
        raise ValueError("all texts have the same label; it takes two at least to tell anything apart")
    return [str(label) for label in sorted(found)]


# --- Chapter 12: the vectors themselves ---


@torch.enable_grad()
def train_vectors(
    bert: Bert,
    pairs: Sequence[Sequence[str]],
    *,
    epochs: int = 4,
    batch_size: int = 32,
    learning_rate: float = 3e-5,
    temperature: float = 0.05,
    length: int | None = None,
    seed: int = 0,
    layers: int | None = None,
) -> Bert:
    """Fine-tune a copy of the model so that the two texts of a pair get vectors that are near to each other.

    `pairs`: a query and a text that answers it, or three texts: the third one, a hard negative, does not answer the
    query. For each query the other texts of its batch are wrong, and for each text the other queries are; see
    contrastive_loss(). A text that another pair gives to the same query is no wrong one for it, and is left out. So a
    batch needs room for several pairs, and small ones teach little.

    What is trained is the vector that a folder of sentence-transformers can describe: of the last layer, with [CLS]
    and [SEP], pooled as bert.sentence.how says, its direction only. The result's `sentence` says so, and embed()
    follows it. `length`: texts are cut after so many tokens; None takes them whole, and refuses those that are too
    long for the model. The optimizer is AdamW, its learning rate constant. `seed` settles the order of the pairs and
    the dropout. `layers`: how many are trained, from above; see trainable_copy().

    The given model and torch's own random numbers are left untouched. The result is in evaluation mode.

    Raises ValueError for fewer than two pairs, pairs that differ in their number of texts, numbers that are not
    positive, a batch for one pair, a `length` without room for a token, and what encode() refuses. Source: Henderson
    and others 2017 (arXiv 1705.00652), section 4, for the negatives of the batch.
    """
    if min(epochs, learning_rate, temperature) <= 0 or batch_size < 2:
        raise ValueError(
            f"epochs ({epochs}), learning_rate ({learning_rate}), temperature ({temperature}): all above 0; and "
            f"batch_size ({batch_size}) at least 2, since the other pairs of a batch are the wrong answers"
        )
    columns = _columns(pairs)
    inputs = [_inputs(bert, column, length) for column in columns]
    known = {(query, text) for query, text, *_ in pairs}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sentence = replace(bert.sentence, strategy="last", specials=True, normalize=True)
        trained = replace(trainable_copy(bert, layers), name=f"{bert.name}, tuned", sentence=sentence)
        model: Any = trained.model.float().train()
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=learning_rate, fused=True)
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(pairs)), batch_size):
                queries, *texts = (_sentence_vectors(trained, column, rows) for column in inputs)
                answers = [column[row] for column in columns[1:] for row in rows.tolist()]
                right = [[(columns[0][row], answer) in known for answer in answers] for row in rows.tolist()]
                right_ones = torch.tensor(right, device=queries.device).fill_diagonal_(False)
                loss = contrastive_loss(queries, torch.cat(texts), temperature, leave_out=right_ones)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        optimizer.zero_grad()
    trained.model.eval()
    return trained


def contrastive_loss(
    queries: Float[Tensor, "rows features"],
    texts: Float[Tensor, "candidates features"],
    temperature: float = 0.05,
    leave_out: Bool[Tensor, "rows candidates"] | None = None,
) -> Float[Tensor, ""]:
    """Return how far each query is from preferring its own text, and each text its own query: the mean of both.

    Text i belongs to query i; more texts than queries may follow, which belong to none. The scores are the cosines,
    divided by `temperature`; the loss is the cross entropy, over the texts for a query and over the queries for a
    text. With `leave_out` a score does not count.

    Sources: van den Oord and others 2018 (arXiv 1807.03748), equation 4; both directions as in Radford and others
    2021 (arXiv 2103.00020), figure 3.
    """
    scores = functional.normalize(queries) @ functional.normalize(texts).T / temperature
    if leave_out is not None:
        scores = scores.masked_fill(leave_out, float("-inf"))
    own = torch.arange(len(queries), device=scores.device)
    back = scores[:, : len(queries)].T
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(back, own)) / 2


def _columns(pairs: Sequence[Sequence[str]]) -> list[list[str]]:
    """The first texts of all pairs, the second ones, and the third ones where there are."""
    sizes = {2 if isinstance(pair, str) else len(pair) for pair in pairs}
    if len(pairs) < 2 or len(sizes) > 1 or not sizes <= {2, 3} or any(isinstance(pair, str) for pair in pairs):
        raise ValueError(
            f"there are {len(pairs)} pairs, of {sorted(sizes)} texts; it takes two pairs at least, and each is "
            "(query, text), or each is (query, text, a text that is wrong for the query)"
        )
    return [list(column) for column in zip(*pairs, strict=True)]


def _inputs(bert: Bert, texts: list[str], length: int | None) -> dict[str, Int[Tensor, "texts tokens"]]:
    """The model's three inputs, cut after `length` tokens; the last one is [SEP] then, too."""
    if length is not None and not 3 <= length <= bert.max_length:
        raise ValueError(
            f"length is {length}; it must be between 3, for [CLS], a token and [SEP], and {bert.max_length}"
        )
    encoding = encode(bert, texts, too_long="truncate")
    lost = next((i for i, words in enumerate(encoding.dropped) if words and length is None), None)
    if lost is not None:
        raise ValueError(
            f"text {lost}, {texts[lost]!r:.40}, is too long for {bert.name}; shorten it, or cut all texts "
            f"after so many tokens with length={bert.max_length}"
        )
    width = encoding.input_ids.shape[1] if length is None else length
    ids = encoding.input_ids[:, :width].clone()
    ids[encoding.attention_mask.sum(dim=1) > width, -1] = bert.tokenizer.sep_token_id
    rest = {name: getattr(encoding, name)[:, :width] for name in ("attention_mask", "token_type_ids")}
    return {"input_ids": ids, **rest}


def _sentence_vectors(
    bert: Bert, inputs: dict[str, Int[Tensor, "texts tokens"]], rows: Int[Tensor, " some"]
) -> Float[Tensor, "some features"]:
    """The sentence vectors of some texts, with gradients; what is padding in all of them is cut off."""
    width = int(inputs["attention_mask"][rows].sum(dim=1).max())
    chosen = {name: value[rows, :width] for name, value in inputs.items()}
    how: Any = bert.sentence.how
    return pool_sentences(bert.model(**chosen).last_hidden_state, chosen["attention_mask"], how)
