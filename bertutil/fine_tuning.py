"""Chapter 11: train a model, or its upper layers, with a linear head on [CLS]."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from bertutil.checkpoints import Bert
from bertutil.encoding import Encoding


@dataclass(frozen=True)
class Classifier:
    """A model and a linear head on the last state of its [CLS]: an encoding in, one logit a class out."""

    bert: Bert
    head: nn.Linear

    @torch.no_grad()
    def logits(self, encoding: Encoding) -> Float[Tensor, "rows classes"]:
        """Return the score of every class for every row; the softmax of a row is its probabilities."""
        parts = torch.split(torch.arange(len(encoding.input_ids)), 64)
        return torch.cat([self.head(cls_states(self.bert, encoding, rows)) for rows in parts])

    def predict(self, encoding: Encoding) -> Int[Tensor, " rows"]:
        """Return the class with the highest score for every row."""
        return self.logits(encoding).argmax(dim=1)


def cls_states(bert: Bert, encoding: Encoding, rows: Int[Tensor, " some"]) -> Float[Tensor, "some features"]:
    """Return the last state of [CLS] for the rows asked for, with gradients where torch has them switched on."""
    mask = encoding.attention_mask[rows]
    width = int(mask.sum(dim=1).max())  # what is padding in all of these rows is cut off
    output = bert.model(
        input_ids=encoding.input_ids[rows, :width],
        attention_mask=mask[:, :width],
        token_type_ids=encoding.token_type_ids[rows, :width],
    )
    states: Tensor = output.last_hidden_state
    return states[:, 0]


@torch.enable_grad()
def train_cls(
    bert: Bert,
    encoding: Encoding,
    labels: Sequence[int],
    *,
    epochs: int = 4,
    batch_size: int = 16,
    learning_rate: float = 5e-5,
    seed: int = 0,
    together: int = 1,
    layers: int | None = None,
) -> Classifier:
    """Fine-tune a copy of the model, and a new linear head on its [CLS], to tell `labels` from the rows.

    `labels`: for every row of the encoding its class, a whole number from 0. The loss is the cross entropy, the
    optimizer AdamW; the learning rate rises over the first tenth of the steps to `learning_rate` and falls to 0 over
    the others. `seed` settles the head's first weights, the order of the rows and the dropout: the same seed on the
    same machine gives the same weights. `together`: so many rows that stand one behind the other come into the same
    batch; 2 for next-sentence pairs, whose loss falls sooner when a true and a wrong pair with the same first
    sentence meet. `layers`: how many are trained, from above; see trainable_copy(). Parameters with
    requires_grad=False stay as they are.

    The given model and torch's own random numbers are left untouched. The result is in evaluation mode.

    Raises ValueError for a number of labels other than of rows, labels that are not 0 to n - 1 with n at least 2,
    each of them there, epochs, batch size or learning rate that are not positive, a `together` that does not divide
    the batch size and the rows, and `layers` that the model does not have. Sources: the BERT paper
    (arXiv 1810.04805), 4.1 and A.3; claims C24, C33.
    """
    n_classes = _check(encoding, labels)
    if min(epochs, batch_size, learning_rate) <= 0:
        raise ValueError(
            f"epochs ({epochs}), batch_size ({batch_size}), learning_rate ({learning_rate}): all above 0"
        )
    if together < 1 or batch_size % together or len(labels) % together:
        raise ValueError(
            f"together is {together}; it must divide batch_size ({batch_size}) and the {len(labels)} rows"
        )
    target = torch.tensor(labels, device=encoding.input_ids.device)
    groups = torch.arange(len(labels)).view(-1, together)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = nn.Linear(bert.hidden_size, n_classes, dtype=torch.float32).to(bert.model.device)
        trained = trainable_copy(bert, layers)
        model: Any = trained.model.float().train()
        parameters = [p for p in (*model.parameters(), *head.parameters()) if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=learning_rate, fused=True)  # fused: the same, faster
        n_steps = epochs * math.ceil(len(groups) / (batch_size // together))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warm_up(n_steps))
        for _ in range(epochs):
            for chosen in torch.split(torch.randperm(len(groups)), batch_size // together):
                rows = groups[chosen].flatten()
                loss = functional.cross_entropy(head(cls_states(trained, encoding, rows)), target[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        model.eval()
        optimizer.zero_grad()  # gives the gradients' memory back
    return Classifier(trained, head)


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
    """Return the factor of the learning rate for each step: up over the first `share` of them, then down to 0."""
    rise = max(1, round(share * n_steps))
    return lambda step: min((step + 1) / rise, (n_steps - step) / max(1, n_steps - rise))


def _check(encoding: Encoding, labels: Sequence[int]) -> int:
    """Refuse labels that do not fit, and return the number of classes."""
    rows = len(encoding.input_ids)
    if len(labels) != rows:
        raise ValueError(f"the encoding has {rows} rows and there are {len(labels)} labels; each row needs one")
    for row, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, int):
            raise ValueError(f"label {row} is {label!r}; a list of whole numbers is needed (of a tensor, .tolist())")
    found = sorted(set(labels))
    if found != list(range(len(found))):
        raise ValueError(f"the labels are {found}; they must be the whole numbers from 0 on, none left out")
    if len(found) < 2:
        raise ValueError("all rows have the same label; it takes two at least to tell anything apart")
    return len(found)
