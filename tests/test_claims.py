"""The ledger: 45 claims, each measured, each with a rule that can fail."""

import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import mannwhitneyu
from transformers import BertConfig, BertModel

from bertutil import Bert
from bertutil.course.ledger import claims, rules, stored
from bertutil.course.ledger.claims import CLAIMS
from bertutil.course.ledger.evidence import (
    Evidence,
    ahead,
    ahead_over_seeds,
    find_cased,
    guess,
    in_order,
    ranks,
    same_minus_other,
)
from bertutil.course.ledger.rules import (
    AHEAD,
    FAILS,
    HOLDS,
    LIMIT,
    PUBLISHED,
    SEEDS,
    UNDECIDED,
    UNFIT,
    Condition,
    UnfitError,
    claim,
    shown,
)
from bertutil.course.rivals import random_copy
from bertutil.probes import f1
from tools import seeds

FOLDER = Path(__file__).parent.parent / "notebooks"
CHAPTERS = rules.chapters(FOLDER)
NOTEBOOK = FOLDER / CHAPTERS["claims"]
every_claim = pytest.mark.parametrize("entry", CLAIMS.values(), ids=list(CLAIMS))

# What the default checkpoint gives; for what is trained, that of five stored seeds
VERDICTS = {
    **dict.fromkeys(("C01", "C03", "C06", "C07", "C12", "C15", "C18"), HOLDS),
    **dict.fromkeys(("C30", "C31", "C38", "C40", "C41", "C42", "C45"), HOLDS),
    **dict.fromkeys(("C02", "C04", "C14", "C16", "C17", "C19", "C20", "C25", "C28", "C37", "C43"), LIMIT),
    **dict.fromkeys(("C05", "C09", "C10", "C11", "C13", "C21", "C26", "C27", "C44"), FAILS),
    **dict.fromkeys(("C08", "C23", "C35"), UNDECIDED),
    **dict.fromkeys(("C32", "C33", "C34"), PUBLISHED),
}
TRAINED = {"C22": SEEDS, "C24": HOLDS, "C29": SEEDS, "C36": HOLDS, "C39": FAILS}

LOOKED_UP = ("C33", "C34")  # nothing is measured for these


def lead(name, low, high):
    return {f"{name}, at least": low, f"{name}, at most": high}


# Another measurement for each claim, which must turn its verdict: what a different model or library would give
OTHERWISE = {
    "C01": {"pieces": "embed ##dings"},
    "C02": {"equal, by id": 19},
    "C03": {"equal ids": 21},
    "C04": {"unused slots and special tokens": 0},
    "C05": {"lost in [UNK]": 0},
    "C06": {"difference of the ids": 12},
    "C07": {"difference of the ids": 0},
    "C08": lead("found again minus found by spelling", 0.1, 0.3),
    "C09": lead("[SEP] minus another token", 0.1, 0.2),
    "C10": {"segment id of a single sentence": "1"},
    "C11": {"second parameter": "token_type_ids", "off from a call with segments": 0.0},
    "C12": {"states minus layers": 0},
    "C13": {"lowest value": -10.2},
    "C14": {"two texts: axes after squeeze": 3},
    "C15": {"concatenated / features": 1.0},
    "C16": {"embed() off from the mean by torch": 0.1},
    "C17": {"vault, robber minus robber, river": -0.1},
    "C18": {"BERT, last layer: cosine": 1.0},
    "C19": {"sense accuracy minus guessing, at most": 0.4},
    "C20": lead("accuracy, last minus layer 1", -0.02, 0.01),
    "C21": lead("pairs, minus the last", 0.1, 0.2) | lead("senses, minus the last", 0.1, 0.2),
    "C22": lead("here: concatenation minus weighted sum of the last 4", 0.01, 0.09)
    | lead("here: concatenation minus layer 0", 0.01, 0.09),
    "C23": lead("pairs, mean minus [CLS]", 0.1, 0.2),
    "C24": lead("trained minus frozen", -0.3, -0.1),
    "C25": lead("last minus last at layer 0", -0.1, 0.01),
    "C26": {"words in order, at most": 0.55},
    "C27": lead("ranking minus a cut for the layer", 0.1, 0.2) | lead("ranking minus one cut", 0.1, 0.2),
    "C28": lead("reciprocal rank minus GloVe", -0.2, -0.1),
    "C29": lead("weighted sum of all layers minus GloVe", -0.2, -0.1),
    "C30": {"tokens that differ": 4},
    "C31": {"vectors of a token minus layers": -5},
    "C32": {"cased: walrus": "I am the walrus .", "cased: BERT": "B ##ER ##T", "cased: pieces": 14},
    "C35": lead("right at the last layer, minus GloVe of the context", -0.2, 0.01),
    "C36": lead("linear minus capitals", -0.1, 0.0),
    "C37": {"inputs equal to those made by hand": 3},
    "C38": {"bank moves, attention cut": 0.3},
    "C39": lead("trained minus untrained cosine", 0.1, 0.2),
    "C40": lead("Spearman minus GloVe", -0.1, 0.01),
    "C41": lead("words: senses, minus GloVe of the context", -0.1, 0.01),
    "C42": lead("in order minus shuffled", -0.1, 0.01),
    "C43": lead("row near the mean of the senses, minus near another word's", -0.1, 0.001),
    "C44": lead("standardised minus as they come", 0.04, 0.09),
    "C45": {"kept for a backward pass with no_grad, bytes": 4096},
}

# The bounds of the limits, from either side: what just leaves a claim without a limit, and what just limits it
LIMITS = [
    ("C02", "keys in the order of ids", True, False),
    ("C04", "unused slots and special tokens", 0, 1),
    ("C09", "runs without them", False, True),
    ("C13", "share of the far values in three features", 0.5, 0.5 + 1e-9),
    ("C14", "two texts: axes after squeeze", 3, 4),
    ("C14", "two texts: axes after squeeze", 3, 2),
    ("C16", "cosine with 40 [PAD] left in", 0.99, 0.99 - 1e-9),
    ("C17", "furthest from the article's figures", 0.005, 0.005 + 1e-9),
    ("C19", "cosine of two banks in a sentence", 0.999, 0.999 - 1e-9),
    ("C20", "steps at which the accuracy falls", 0, 1),
    ("C20", "steps at which the self-similarity rises", 0, 1),
    ("C25", "mean minus last, at least", 0.0, 1e-9),
    ("C28", "answers in the first place", 0.9, 0.9 - 1e-9),
    ("C37", "encode_plus is there", True, False),
    ("C39", "same story minus a coin, at least", 1e-9, 0.0),
    ("C43", "row nearer to one sense than to their mean, words of 40", 0, 1),
]


@pytest.fixture(scope="module")
def untrained(tiny):
    return Evidence(tiny)


@pytest.fixture(scope="module")
def file(bert):
    return stored.read(bert)


@pytest.fixture(scope="module")
def evidence(bert):
    return Evidence(bert)


@pytest.fixture(scope="module")
def findings(evidence, untrained):
    return {id: entry.examine(untrained if entry.trained else evidence) for id, entry in CLAIMS.items()}


def test_the_ids_follow_each_other():
    assert list(CLAIMS) == [f"C{k:02}" for k in range(1, len(CLAIMS) + 1)]


@every_claim
def test_a_claim_names_source_chapter_and_test(entry):
    assert entry.source.startswith(("article", "first", "second"))
    assert entry.chapter in CHAPTERS
    assert len(entry.says) > 20
    assert len(entry.how) > 20


@pytest.mark.parametrize(("id", "verdict"), VERDICTS.items())
def test_the_verdict_on_the_default_checkpoint(findings, id, verdict):
    assert findings[id].verdict == verdict


@pytest.mark.parametrize(("id", "verdict"), TRAINED.items())
def test_the_verdict_of_five_seeds_on_the_default_checkpoint(file, id, verdict):
    assert len(file.seeds[id]) == 5
    assert CLAIMS[id].verdict(*file.seeds[id]) == verdict


def test_every_claim_has_its_verdict_in_one_of_the_lists():
    assert VERDICTS.keys() | TRAINED.keys() == CLAIMS.keys()
    assert TRAINED.keys() == {entry.id for entry in CLAIMS.values() if entry.trained}


@every_claim
def test_another_measurement_turns_the_verdict(findings, file, entry):
    if entry.id in LOOKED_UP:
        assert not entry.needs
        assert entry.published
        return
    runs = file.seeds.get(entry.id, [findings[entry.id].measured])
    other = OTHERWISE[entry.id]
    assert all(other.keys() <= run.keys() for run in runs)
    assert entry.verdict(*(run | other for run in runs)) != entry.verdict(*runs)


def around(condition):
    """Measurements in which the condition is met, not met and, for a lead, not decided."""
    bound = condition.bound
    if condition.relation == AHEAD:
        ends = [(bound / 2, bound * 2), (-bound, bound / 2), (-bound, bound * 2), (bound / 4, bound / 2)]
        return [dict(zip(condition.quantities, pair, strict=True)) for pair in ends]
    if isinstance(bound, bool):
        values = [bound, not bound]
    else:
        values = [bound, "another"] if isinstance(bound, str) else [bound, bound + 1, bound - 1]
    return [{condition.quantity: value} for value in values]


def all_worlds(entry):
    """Measurements of the claim: every quantity on its bounds and on either side, in all combinations."""
    values = {}
    for condition in (*entry.needs, *entry.limits):
        values.setdefault(condition.quantity, []).extend(around(condition))
    return [{name: value for part in row for name, value in part.items()} for row in product(*values.values())]


@every_claim
def test_each_condition_decides_somewhere_and_every_verdict_can_come_out(entry):
    worlds = all_worlds(entry)
    verdicts = [entry.verdict(world) for world in worlds]
    leads = any(need.relation == AHEAD for need in entry.needs)
    possible = {HOLDS, FAILS} | ({LIMIT} if entry.limits else set()) | ({UNDECIDED} if leads else set())
    assert set(verdicts) == (possible if entry.needs else {PUBLISHED})
    for kind in ("needs", "limits"):
        for condition in getattr(entry, kind):
            rest = tuple(other for other in getattr(entry, kind) if other != condition)
            without = replace(entry, **{kind: rest}, published="somewhere")
            assert [without.verdict(world) for world in worlds] != verdicts, condition


@pytest.mark.parametrize(("id", "quantity", "without", "within"), LIMITS)
def test_a_limit_begins_at_its_bound(id, quantity, without, within):
    entry = CLAIMS[id]
    unlimited = next(world for world in all_worlds(entry) if entry.verdict(world) == HOLDS)
    assert entry.verdict(unlimited | {quantity: without}) == HOLDS
    assert entry.verdict(unlimited | {quantity: within}) == LIMIT


def test_every_limit_has_its_bound_in_the_list():
    limits = {(entry.id, condition.quantity) for entry in CLAIMS.values() for condition in entry.limits}
    assert {(id, quantity) for id, quantity, *_ in LIMITS} == limits


def test_a_rank_counts_the_texts_with_a_higher_score_and_equal_ones_half():
    scores = np.array([[0.5, 0.9, 0.1, 0.7], [0.5, 0.5, 0.5, 0.9], [0.2, 0.2, 0.2, 0.2], [0.1, 0.2, 0.3, 0.4]])
    assert ranks(scores).tolist() == [3, 3, 2.5, 1]


def test_there_may_be_more_texts_than_queries():
    assert ranks(np.array([[1.0, 0.0, 2.0, 1.0], [3.0, 2.0, 1.0, 0.0]])).tolist() == [2.5, 2]


def test_in_order_is_scipys_mann_whitney_u_as_a_share():
    alike, unlike = np.random.default_rng(0).integers(6, size=(2, 40)).astype(float)
    expected = mannwhitneyu(alike, unlike[:25]).statistic / (40 * 25)
    assert in_order(alike, unlike[:25]).mean() == pytest.approx(expected)
    assert in_order(np.array([2.0, 0.0, 5.0]), np.array([1.0, 2.0, 2.0, 3.0])).tolist() == [0.5, 0, 1]


def test_a_lead_is_the_mean_difference_with_the_interval_of_scipys_bootstrap():
    ours, others = np.random.default_rng(0).normal((0.3, 0.0), size=(60, 2)).T
    found = ahead("x", ours, others)
    mean = scipy_bootstrap((ours - others,), np.mean, method="percentile", random_state=0).confidence_interval
    assert found["x"] == pytest.approx((ours - others).mean())
    assert [found["x, at least"], found["x, at most"]] == pytest.approx([mean.low, mean.high], abs=0.02)


def test_where_no_item_differs_the_interval_goes_three_items_to_either_side():
    assert ahead("x", np.ones(30), np.ones(30)) == pytest.approx({"x": 0, "x, at least": -0.1, "x, at most": 0.1})


def test_one_seed_is_drawn_as_the_items_alone():
    ours, others = np.random.default_rng(0).normal(size=(2, 1, 50))
    expected = ahead("x", ours[0], others[0])
    assert ahead_over_seeds("x", ours, others) == pytest.approx(expected)


def test_seeds_that_disagree_widen_the_interval():
    items = np.random.default_rng(0).normal(size=50)
    alike, apart = np.tile(items, (5, 1)), items + np.array([[-2.0], [-1.0], [0.0], [1.0], [2.0]])
    narrow, wide = (ahead_over_seeds("x", ours, np.zeros(50)) for ours in (alike, apart))
    assert narrow["x"] == pytest.approx(wide["x"]) == pytest.approx(items.mean())
    assert wide["x, at most"] - wide["x, at least"] > 2 * (narrow["x, at most"] - narrow["x, at least"])


def test_counts_are_added_over_seeds_and_sentences_before_f1():
    ours = np.array([[[1, 1, 1], [0, 1, 1]], [[1, 1, 1], [1, 1, 1]]])
    assert ahead_over_seeds("x", ours, ours * 0, f1)["x"] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("last", "alone", "verdict"),
    [
        ([1.0] * 23 + [0.5], [0.0] * 24, HOLDS),
        ([0.5] * 24, [0.0] * 24, LIMIT),
        ([1.0] * 24, [1.0] * 24, UNDECIDED),
        ([0.0] * 24, [0.0] * 24, UNDECIDED),
        ([0.5] * 24, [1.0] * 24, FAILS),
    ],
)
def test_c25_asks_what_the_last_piece_knows_beyond_itself_and_whether_the_mean_is_ahead(last, alone, verdict):
    """How often each of 24 words is found again by its last piece, in the upper layers and at layer 0."""
    rare = {how: np.array([[1.0, 1.0]] * 24) for how in ("mean", "sum")}
    rare |= {"last": np.array([alone, last]).T, "guessing": np.full((24, 2), 0.005)}
    assert CLAIMS["C25"].examine(SimpleNamespace(rare=rare)).verdict == verdict


@pytest.mark.parametrize(("alike", "verdict"), [(lambda x: x > 0, FAILS), (lambda x: x * 0 > 1, FAILS)])
def test_c27_gives_the_cut_no_look_at_the_pairs_it_is_tested_on(alike, verdict):
    values = np.random.default_rng(0).normal(size=(200, 3))
    pairs = SimpleNamespace(mean=values, scores=np.where(alike(values[:, 0]), 5.0, 0.0), unrelated=(0.0, 0.1, 0.2))
    measured = CLAIMS["C27"].measure(SimpleNamespace(pairs=pairs))
    assert measured["right with a cut for the layer"][0] > 0.9
    assert CLAIMS["C27"].verdict(measured) == verdict


def test_c16_does_not_hold_where_our_mean_is_another_than_that_by_torch(bert, monkeypatch):
    embed = claims.embed
    monkeypatch.setattr(claims, "embed", lambda *args, **named: embed(*args, **named | {"strategy": "last"}))
    assert CLAIMS["C16"].examine(Evidence(bert)).verdict == FAILS


def test_c09_notices_a_model_for_which_both_special_tokens_count(bert, monkeypatch):
    def near(text, *others, **named):
        return SimpleNamespace(input_ids=torch.tensor([[101, *range(2000, 2010), 102]]))

    class Model(torch.nn.Module):
        def forward(self, input_ids, position_ids=None):
            moved = 5.0 * sum((input_ids != token).all(dim=1) for token in (101, 102))[:, None, None]
            return SimpleNamespace(
                last_hidden_state=torch.cat(
                    [input_ids[..., None] * 0 + 1.0, moved.expand(*input_ids.shape, 1)], dim=2
                )
            )

    monkeypatch.setattr(claims, "encode", near)
    stand_in = SimpleNamespace(bert=SimpleNamespace(model=Model()), bank=[near("")])
    assert CLAIMS["C09"].examine(stand_in).verdict == LIMIT


def test_guessing_never_draws_the_use_itself():
    assert guess(["a", "a", "b", "b"]) == pytest.approx(1 / 3)
    assert guess(["a", "b", "c"]) == 0


def test_same_minus_other_compares_different_uses():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [-1.0, 0.0]])
    assert same_minus_other(vectors, ["a", "a", "b", "b"]) == pytest.approx(0 - (0 - 1 - 1 + 0) / 4)


@every_claim
def test_with_random_weights_nothing_holds_that_speaks_of_what_was_learned(file, entry):
    if entry.learned:
        assert entry.verdict(file.random[entry.id]) not in (HOLDS, LIMIT)


@pytest.mark.parametrize("id", ["C13", "C17", "C20", "C26", "C27", "C28", "C35", "C40", "C42"])
def test_what_needs_meaning_does_not_hold_for_a_small_random_model(bert, id):
    config = BertConfig(hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64)
    small = Bert("small", bert.tokenizer, BertModel(config).eval())
    assert CLAIMS[id].examine(Evidence(random_copy(small))).verdict not in (HOLDS, LIMIT)


def test_stored_figures_are_those_of_the_checkpoint_with_that_digest(file, tiny):
    assert file.seeds.keys() == file.together.keys() == TRAINED.keys()
    assert file.random.keys() == CLAIMS.keys()
    assert stored.read(tiny) == stored.NOTHING


@every_claim
def test_stored_figures_have_all_that_the_rule_looks_at(file, entry):
    runs = [*file.seeds.get(entry.id, []), file.random[entry.id]]
    assert all(set(entry.quantities) <= run.keys() for run in runs)


@pytest.mark.parametrize("id", ["C01", "C07", "C13", "C17", "C38"])
def test_the_stored_column_of_random_weights_is_what_comes_out_today(bert, file, id):
    finding = CLAIMS[id].examine(Evidence(random_copy(bert)))
    assert finding.verdict == CLAIMS[id].verdict(file.random[id])


@pytest.mark.weekly
def test_five_seeds_and_random_weights_give_the_stored_verdicts(bert, file):
    assert seeds.differences(file, seeds.measure(bert, dict(CLAIMS))) == []


def test_seeds_names_the_verdicts_that_changed(file):
    new = {"seeds": dict(file.seeds), "random": dict(file.random)}
    assert seeds.differences(file, new) == []
    new["random"]["C01"] = file.random["C01"] | {"tokens": 15}
    new["seeds"]["C39"] = [run | OTHERWISE["C39"] for run in file.seeds["C39"]]
    assert [line.split(",")[0] for line in seeds.differences(file, new)] == ["C01", "C39"]


def test_the_evidence_of_one_seed_is_cut_out_of_that_of_several(tiny):
    several = Evidence(tiny, seeds=(3, 4))
    for name in ("sequence_counts", "place_trained", "next_trained"):
        several.__dict__[name] = {"x": np.array([[1.0, 2.0], [3.0, 4.0]])}
    one = several.of_seed(4)
    assert (one.seeds, one.place_trained["x"].tolist()) == ((4,), [[3.0, 4.0]])
    assert several.place_trained["x"].shape == (2, 2)


@pytest.mark.parametrize("id", ["C01", "C02", "C03", "C05", "C11", "C12", "C14", "C31", "C37", "C38", "C45"])
def test_what_follows_from_vocabulary_and_design_holds_for_any_weights(findings, untrained, id):
    assert CLAIMS[id].examine(untrained).verdict == findings[id].verdict


@pytest.mark.parametrize(
    ("id", "quantity", "value"),
    [
        ("C04", "entries", 30_522),
        ("C04", "pieces inside words", 5_828),
        ("C04", "single characters", 997),
        ("C04", "unused slots and special tokens", 999),
        ("C05", "pieces of 100 letters", 50),
        ("C11", "second parameter", "attention_mask"),
        ("C11", "off from a call with a mask", 0.0),
        ("C11", "pair: B notices another A", False),
        ("C12", "values", 59_136),
        ("C28", "TF-IDF: answers in the first place", 0.0),
        ("C30", "“naïve café” becomes", "naive cafe"),
        ("C32", "this checkpoint: walrus", "i am the wal ##rus ."),
        ("C35", "GloVe: place of iphone", 3),
        ("C35", "GloVe: place of fruit", 91),
        ("C38", "bank moves, attention cut", 0.0),
    ],
)
def test_exact_quantities_of_the_default_checkpoint(findings, id, quantity, value):
    assert findings[id].measured[quantity] == value


@pytest.mark.parametrize(
    ("id", "quantity", "value", "margin"),
    [
        ("C17", "vault, robber", 0.9406, 5e-5),
        ("C17", "robber, river", 0.8887, 5e-5),
        ("C08", "found again", 1.0, 0.05),
        ("C19", "sense accuracy", 0.439, 0.01),
        ("C20", "GloVe of the context, sense accuracy", 0.723, 0.01),
        ("C23", "search, [CLS], reciprocal rank", 0.418, 0.005),
        ("C26", "words in order", 0.723, 0.005),
        ("C40", "GloVe, Spearman", 0.700, 0.005),
        ("C42", "accuracy, shuffled", 0.667, 0.02),
        ("C28", "reciprocal rank", 0.718, 0.005),
        ("C35", "guessing", 11 / 23, 1e-9),
    ],
)
def test_measured_quantities_of_the_default_checkpoint(findings, id, quantity, value, margin):
    assert findings[id].measured[quantity] == pytest.approx(value, abs=margin)


def test_the_accuracy_at_the_last_layer_is_that_of_chapter_7(evidence):
    word = evidence.sense_accuracy["word"]
    assert [word[:20, -1].mean(), word[20:, -1].mean()] == pytest.approx([0.836, 0.738], abs=0.005)


def test_mean_and_sum_of_pieces_find_the_same_words(findings):
    measured = findings["C25"].measured
    assert measured["found again, mean"] == measured["found again, sum"]


def test_c32_is_measured_where_the_cased_vocabulary_is_there(tiny, tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "I", "am", "the", "wa", "##l", "##rus", ".", "What", "are"]
    words += ["elements", "in", "a", "B", "##ER", "##T", "word", "em", "##bed", "##ding", "?"]
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(words), encoding="utf-8")
    assert CLAIMS["C32"].examine(Evidence(tiny, file)).verdict == HOLDS
    file.write_text("\n".join(words).replace("##rus", "##ruses"), encoding="utf-8")
    assert CLAIMS["C32"].examine(Evidence(tiny, file)).verdict == FAILS


def test_the_cased_vocabulary_is_looked_for_in_the_hubs_cache_only(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.socket", None)  # any connection fails
    assert find_cased() is None
    folder = tmp_path / "models--google-bert--bert-base-cased"
    for name, text in (("refs/main", "abc"), ("snapshots/abc/vocab.txt", "I")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    assert find_cased() == folder / "snapshots/abc/vocab.txt"


def test_what_cannot_be_measured_has_published_figures(findings):
    for finding in findings.values():
        assert finding.verdict != PUBLISHED or finding.claim.published


@every_claim
def test_published_figures_have_measured_ones_of_their_kind_beside_them(findings, entry):
    rule = {condition.quantity for condition in (*entry.needs, *entry.limits)}
    assert bool(entry.published) == bool(entry.beside or rule & {"cased: walrus"} or entry.id in LOOKED_UP)
    assert set(entry.beside) <= findings[entry.id].measured.keys()


# --- ledger.rules: how a claim becomes a verdict ---


def example(needs=(("found", ">", 0.5),), limits=(("rival", "≥", 0.5),), published="0.7 (elsewhere)"):
    @claim("here", chapter="claims", needs=needs, limits=limits, published=published)
    def c40(evidence):
        """An example
        of a claim.

        How it is
        tested.
        """
        return evidence

    return c40


@pytest.mark.parametrize(
    ("found", "rival", "verdict"),
    [(0.6, 0.4, HOLDS), (0.6, 0.5, LIMIT), (0.5, 0.4, FAILS), (0.5, 0.5, FAILS), (None, 0.4, PUBLISHED)],
)
def test_a_verdict_follows_from_the_conditions(found, rival, verdict):
    assert example().examine({"found": found, "rival": rival}).verdict == verdict


@pytest.mark.parametrize(
    ("relation", "met"),
    [
        ("=", [False, True, False]),
        ("≠", [True, False, True]),
        ("<", [True, False, False]),
        (">", [False, False, True]),
        ("≤", [True, True, False]),
        ("≥", [False, True, True]),
    ],
)
def test_the_relations(relation, met):
    assert [Condition("x", relation, 2).met({"x": value}) for value in (1, 2, 3)] == met


@pytest.mark.parametrize(
    ("low", "high", "met"),
    [
        (0.1, 0.3, True),
        (1e-9, 0.3, True),
        (1e-9, 0.2, True),
        (0.0, 0.3, None),
        (-0.5, 0.2, None),
        (-0.5, 0.2 - 1e-9, False),
        (-0.5, -0.1, False),
        (0.1, 0.15, False),
    ],
)
def test_a_lead_of_0_2_at_least_is_there_is_not_there_or_is_not_decided(low, high, met):
    need = Condition("x", AHEAD, 0.2)
    assert need.met({"x, at least": low, "x, at most": high}) is met
    verdict = {True: HOLDS, False: FAILS, None: UNDECIDED}[met]
    entry = example(needs=[("x", "ahead", 0.2)], limits=())
    assert entry.verdict({"x, at least": low, "x, at most": high}) == verdict


def test_one_need_that_fails_decides_where_another_is_not_decided():
    entry = example(needs=[("x", "ahead", 0.2), ("y", "=", 1)], limits=())
    assert entry.verdict({"x, at least": -1.0, "x, at most": 1.0, "y": 2}) == FAILS
    assert entry.verdict({"x, at least": -1.0, "x, at most": 1.0, "y": 1}) == UNDECIDED


def test_runs_with_different_verdicts_depend_on_the_seed():
    entry, high, low = example(), {"found": 0.6, "rival": 0.4}, {"found": 0.4, "rival": 0.4}
    assert [entry.verdict(*runs) for runs in ([high, high], [low, low], [high, low])] == [HOLDS, FAILS, SEEDS]
    assert entry.examine(high, low).verdict == SEEDS


def test_what_is_trained_is_printed_with_its_seeds():
    entry = replace(example(), trained=True)
    text = str(entry.examine({"found": 0.6, "rival": 0.4}, *[{"found": 0.4, "rival": 0.4}] * 4))
    assert text.splitlines()[-2:] == ["seeds   holds: 1 of 5; does not hold: 4 of 5", "=> depends on the seed"]


def test_a_claim_that_needs_nothing_is_published_and_nothing_else():
    assert example(needs=(), limits=()).verdict({}) == PUBLISHED


def test_all_that_is_needed_must_be_met_and_one_limit_is_enough():
    entry = example(needs=[("a", "=", 1), ("b", "=", 1)], limits=[("c", "=", 1), ("d", "=", 1)])
    assert entry.verdict({"a": 1, "b": 0, "c": 0, "d": 0}) == FAILS
    assert entry.verdict({"a": 1, "b": 1, "c": 0, "d": 0}) == HOLDS
    assert entry.verdict({"a": 1, "b": 1, "c": 1, "d": 0}) == LIMIT
    assert entry.verdict({"a": 1, "b": None, "c": 1, "d": 0}) == PUBLISHED


def test_without_published_figures_what_was_not_measured_cannot_be():
    assert example(published="").examine({"found": None, "rival": 0.4}).verdict == UNFIT


def test_a_claim_that_the_checkpoint_cannot_have_gets_a_verdict_and_the_reason():
    @claim("here", chapter="claims", needs=[("found", ">", 0)], beside=["layers"])
    def c40(evidence):
        """An example of a claim.

        How it is tested.
        """
        raise UnfitError("it takes 4 layers, and this checkpoint has 2")

    finding = c40.examine(None)
    assert finding.verdict == UNFIT
    assert finding.measured == {"why": "it takes 4 layers, and this checkpoint has 2", "layers": None, "found": None}
    assert "needed  found > 0: not measured" in str(finding)
    assert "layers: not measured; found: not measured" in rules.as_table([finding], {}, "tiny")


@pytest.mark.parametrize(
    ("config", "ids", "why"),
    [
        ({"num_hidden_layers": 2}, "C08 C15 C17 C22 C25 C26 C36", "it takes 4 layers, and this checkpoint has 2"),
        ({"type_vocab_size": 1}, "C10 C11 C39 C37", "it takes 2 segment types, and this checkpoint has 1"),
    ],
)
def test_what_a_checkpoint_lacks_is_the_reason(tiny, config, ids, why):
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
    evidence = Evidence(Bert("other", tiny.tokenizer, BertModel(BertConfig(**sizes | config)).eval()))
    findings = [CLAIMS[id].examine(evidence) for id in ids.split()]
    assert {finding.measured["why"] for finding in findings} == {why}
    assert {finding.verdict for finding in findings} <= {UNFIT, PUBLISHED}


def test_name_and_docstring_make_the_entry():
    entry = example()
    assert (entry.id, entry.says, entry.how) == ("C40", "An example of a claim.", "How it is tested.")


def test_a_quantity_that_was_not_measured_at_all_is_an_error():
    with pytest.raises(KeyError, match="rival"):
        example().verdict({"found": 0.6})


def test_nan_gives_no_verdict():
    with pytest.raises(ValueError, match="'found' is NaN"):
        example().verdict({"found": math.nan, "rival": 0.1})


def test_a_rule_that_cannot_fail_is_refused():
    with pytest.raises(ValueError, match="C40: a rule that needs nothing cannot fail"):
        example(needs=(), published="")


def test_an_unknown_relation_is_refused():
    with pytest.raises(ValueError, match="'>>' is no relation"):
        example(needs=[("found", ">>", 1)])


def test_a_docstring_must_say_claim_and_test():
    with pytest.raises(ValueError, match="two paragraphs"):

        @claim("here", chapter="claims", needs=[("x", "=", 1)])
        def c41(evidence):
            """Only a claim."""


def test_a_finding_is_printed_with_each_condition_and_its_outcome():
    text = str(example().examine({"found": 0.6, "other figure": 1234, "rival": 0.7}))
    assert text.splitlines() == [
        "found         0.600",
        "other figure  1,234",
        "rival         0.700",
        "needed  found > 0.5: yes",
        "limit   rival ≥ 0.5: yes",
        "=> holds with a limit",
    ]
    assert "needed  found > 0.5: not measured" in str(example().examine({"found": None, "rival": 0.7}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not measured"),
        (True, "yes"),
        (12345, "12,345"),
        (0.12345, "0.123"),
        (-0.0001, "0.000"),
        ("a", "a"),
        ((0.5, -0.0001), "0.500 0.000"),
    ],
)
def test_quantities_as_text(value, text):
    assert shown(value) == text


def test_the_table_has_a_row_for_each_finding():
    entry = replace(example(), published="0.9 | x", beside=("as published",), learned=True)
    measured = {"found": 0.6, "rival": 0.4, "as published": 0.8, "other": 1}
    made = [entry.examine(measured)] * 2, {"claims": "07_claims.ipynb"}, "some/name"
    table = rules.as_table(*made, {"C40": {"found": 0.1, "rival": 0.4}})
    head, rule, *rows = table.splitlines()
    here = "as published: 0.800; found: 0.600; rival: 0.400"
    verdict = "**holds** (for some/name; BERT itself not measured)"
    rest = "does not hold | 0.9 / x | here | [7](07_claims.ipynb)"
    row = f"| C40 | An example of a claim. | {verdict} | {here} | {rest} |"
    assert rows == [row, row]
    assert rule == "| --- " * 8 + "|"
    assert head == "| id | claim | verdict | measured: some/name | random weights | published | source | chapter |"


@pytest.mark.parametrize(("learned", "checkpoint"), [(False, "some/name"), (True, "bert-base-uncased")])
def test_a_verdict_that_needs_no_remark_has_none(learned, checkpoint):
    entry = replace(example(), learned=learned)
    table = rules.as_table([entry.examine({"found": 0.6, "rival": 0.4})], {}, checkpoint)
    assert "| **holds** |" in table


def test_the_table_names_the_topic_of_a_chapter_that_is_not_there():
    table = rules.as_table([example().examine({"found": 0.6, "rival": 0.4})], {}, "some/name")
    assert table.endswith("| here | claims |")


def test_chapters_are_found_by_their_topic_whatever_their_number_is(tmp_path):
    for name in ("07_context.ipynb", "31_many_texts.ipynb", "glossary.md", "notes.ipynb"):
        (tmp_path / name).touch()
    assert rules.chapters(tmp_path) == {"context": "07_context.ipynb", "many_texts": "31_many_texts.ipynb"}


# --- The notebook ------------------------------------------------------------------------------------------------


@every_claim
def test_the_notebook_has_a_cell_for_the_claim_below_its_words(entry):
    cells = {cell.id: cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells}
    words = cells[f"{entry.id.lower()}-says"].source
    for part in (f"### {entry.id}", entry.says, entry.how, entry.source, f"]({CHAPTERS[entry.chapter]})"):
        assert part in words
    assert f"show(claims.{entry.id.lower()})" in cells[entry.id.lower()].source
    assert "=> " in cells[entry.id.lower()].outputs[0].text
