"""Chapter 15: the 38 claims of the sources, each with a measurement and a rule.

A claim is a function: its docstring says what is claimed (first paragraph) and how that is tested (second); its
decorator has the source and the rule (see rules.py). Names that end in "at least" and "at most" are the ends of a
95 % bootstrap interval. The rules compare with chance or with an alternative, so they suit any BertModel with the
vocabulary of bert-base-uncased.

Sources: "article" is the BERT Word Embeddings Tutorial by Chris McCormick and Nick Ryan (2019, code updated in 2020);
the first and the second answer are those to question 67914 of datascience.stackexchange.com.
"""

import inspect
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import BertTokenizer

from bertutil.course import datasets
from bertutil.course.inputs import BANK
from bertutil.course.ledger.evidence import (
    Evidence,
    average,
    guess,
    in_order,
    same_minus_other,
    spearman,
    sure,
)
from bertutil.course.ledger.rules import Claim, Measured, Value, claim
from bertutil.encoding import encode
from bertutil.intervals import paired_difference, wilson_interval
from bertutil.layers import hidden_states
from bertutil.pooling import combine_layers, pool_sentences
from bertutil.probes import entity_counts, f1, linear_probe, neighbour_accuracy
from bertutil.similarity import cosine_similarity, remove_mean, self_similarity

STREAMS = {"She walked along the river to the bank.": "river", "She walked along the street to the bank.": "street"}

# Named entities, F1 on the CoNLL-2003 development set, vectors of bert-base-cased without fine-tuning into a BiLSTM
TABLE_7_SOURCE = "BERT paper, table 7 (arXiv 1810.04805)"
TABLE_7 = {
    "embeddings": 91.0,
    "second-to-last": 95.6,
    "last": 94.9,
    "weighted sum of the last 4": 95.9,
    "concatenation of the last 4": 96.1,
    "weighted sum of all": 95.5,
}

# --- Words and pieces --------------------------------------------------------------------------------------------


@claim("article, 2.2", chapter="tokenization", needs=[("tokens", "=", 14), ("pieces", "=", "em ##bed ##ding ##s")])
def c01(evidence: Evidence) -> Measured:
    """“Here is the sentence I want embeddings for.” has 14 tokens, and “embeddings” is em ##bed ##ding ##s.

    The tokens are counted, and compared.
    """
    tokens = encode(evidence.bert, "Here is the sentence I want embeddings for.").tokens[0]
    return {"tokens": len(tokens), "pieces": " ".join(tokens[7:11])}


@claim(
    "article, 2.2",
    chapter="tokenization",
    needs=[("equal, by id", "=", 20)],
    limits=[("keys in the order of ids", "=", False)],
)
def c02(evidence: Evidence) -> Measured:
    """Entries 5000 to 5019 are knight, lap, survey and so on, as a slice of the vocabulary's keys shows.

    The entries, asked for by id; and whether the keys stand in the order of their ids.
    """
    printed = "knight lap survey ma ##ow noise billy ##ium shooting guide bedroom priest resistance motor homes"
    found = evidence.bert.tokenizer.convert_ids_to_tokens(list(range(5000, 5020)))
    equal = sum(a == b for a, b in zip(found, f"{printed} sounded giant ##mer 150 scenes".split(), strict=True))
    ids = list(evidence.bert.tokenizer.get_vocab().values())
    return {"equal, by id": equal, "keys in the order of ids": ids == sorted(ids)}


@claim("article, 2.2", chapter="tokenization", needs=[("tokens", "=", 22), ("equal ids", "=", 22)])
def c03(evidence: Evidence) -> Measured:
    """The sentence with three banks has 22 tokens, with the ids that are printed there.

    The ids, compared one by one.
    """
    half = "101 2044 11065 2769 2013 1996 2924 11632 1010 1996 2924"
    expected = f"{half} 27307 2001 2464 5645 2006 1996 5900 2314 2924 1012 102".split()
    ids = evidence.bank[0].input_ids[0].tolist()
    return {"tokens": len(ids), "equal ids": sum(a == int(b) for a, b in zip(ids, expected, strict=False))}


@claim(
    "article, 2.2",
    chapter="tokenization",
    needs=[("away from 30,000", "<", 0.05), ("pieces inside words", ">", 0), ("single characters", ">", 0)],
    limits=[("unused slots and special tokens", ">", 0)],
)
def c04(evidence: Evidence) -> Measured:
    """The vocabulary has about 30,000 entries of four kinds: words, word starts, pieces inside words, characters.

    The entries are counted by kind. Words and word starts look the same, so they are counted together.
    """
    entries = evidence.bert.tokenizer.get_vocab()
    inside = sum(entry.startswith("##") for entry in entries)
    single = sum(len(entry) == 1 for entry in entries)
    of_no_kind = sum(entry.startswith("[") and entry.endswith("]") and len(entry) > 2 for entry in entries)
    return {
        "entries": len(entries),
        "away from 30,000": abs(len(entries) / 30_000 - 1),
        "words and word starts": len(entries) - inside - single - of_no_kind,
        "pieces inside words": inside,
        "single characters": single,
        "unused slots and special tokens": of_no_kind,
    }


@claim("article, 2.2; second answer", chapter="tokenization", needs=[("lost in [UNK]", "=", 0)])
def c05(evidence: Evidence) -> Measured:
    """A word can at worst be spelled in single characters, so nothing is out of vocabulary.

    Three words with a character that has no entry, and one of 101 letters: which are lost in [UNK] as a whole?
    """
    words = ["love👍", "☃", "✓", "a" * 101]
    lost = sum(_tokens(evidence, word) == ["[UNK]"] for word in words)
    pieces = len(_tokens(evidence, "a" * 100))
    return {"words tried": len(words), "lost in [UNK]": lost, "pieces of 100 letters": pieces}


@claim("article, 2.2", chapter="tokenization", needs=[("difference of the ids", "=", 0)])
def c06(evidence: Evidence) -> Measured:
    """A piece at the front of a word shares its entry with the word that stands alone: “em”.

    The id of the first piece of “embeddings”, and of “em” alone.
    """
    front, alone = encode(evidence.bert, ["embeddings", "em"]).input_ids[:, 1].tolist()
    return {"id at the front": front, "id alone": alone, "difference of the ids": front - alone}


@claim(
    "article, 2.2",
    chapter="tokenization",
    needs=[("difference of the ids", "≠", 0), ("cosine of the rows", "<", 0.99)],
)
def c07(evidence: Evidence) -> Measured:
    """“bed” and “##bed” are two entries.

    The ids, and the cosine of the two rows of the static table.
    """
    bed, inside = _ids(evidence, "bed", "##bed")
    cosine = float(cosine_similarity(evidence.table[bed], evidence.table[inside]))
    return {"difference of the ids": inside - bed, "cosine of the rows": cosine}


@claim(
    "article, 2.2 and 4.2",
    chapter="context",
    needs=[("found again minus guessing, at least", ">", 0)],
    limits=[("found again minus found by spelling, at most", "≤", 0)],
)
def c08(evidence: Evidence) -> Measured:
    """The mean of a word's piece vectors is an approximate vector of the word.

    A word that splits is looked for among all words of other sentences (sum of the last four layers). At layer 0 its
    spelling is enough to find it, so that is what the upper layers are compared with.
    """
    (spelling, hits), guessing = evidence.rare["mean"].T, evidence.rare["guessing"][:, 1]
    return {
        "words": len(hits),
        "guessing": float(guessing[0]),
        "found by spelling": float(spelling.mean()),
        "found again": float(hits.mean()),
        "found again minus guessing, at least": paired_difference(hits, guessing)[1],
        "found again minus found by spelling, at most": paired_difference(hits, spelling)[2],
    }


@claim(
    "article, 4.2",
    chapter="pooling",
    needs=[("worst minus guessing, at least", ">", 0)],
    limits=[("mean minus last, at least", ">", 0)],
)
def c25(evidence: Evidence) -> Measured:
    """For words that split, mean, sum and last piece are all acceptable.

    The test of C08 for the three ways. Mean and sum have the same direction, so the same cosines.
    """
    hits = {how: evidence.rare[how][:, 1] for how in ("mean", "sum", "last")}
    worst = min(hits.values(), key=lambda found: float(found.mean()))
    return {
        **{f"found again, {how}": float(found.mean()) for how, found in hits.items()},
        "worst minus guessing, at least": paired_difference(worst, evidence.rare["guessing"][:, 1])[1],
        **sure("mean minus last", paired_difference(hits["mean"], hits["last"])),
    }


@claim("article, 1", chapter="tokenization", needs=[("tokens that differ", "=", 0)])
def c30(evidence: Evidence) -> Measured:
    """An “uncased” model ignores case.

    A sentence in small and in capital letters. And what becomes of accents, of which the article says nothing.
    """
    evidence.require(uncased=True)
    small, capital = _tokens(evidence, BANK.lower()), _tokens(evidence, BANK.upper())
    differ = abs(len(small) - len(capital)) + sum(a != b for a, b in zip(small, capital, strict=False))
    return {"tokens that differ": differ, "“naïve café” becomes": " ".join(_tokens(evidence, "naïve café"))}


@claim(
    "second answer",
    chapter="tokenization",
    needs=[
        ("cased: walrus", "=", "I am the wa ##l ##rus ."),
        ("cased: BERT", "=", "B ##ER ##T"),
        ("cased: pieces", "=", 14),
    ],
    published="I am the wa ##l ##rus .; B ##ER ##T; 14 pieces (second answer)",
)
def c32(evidence: Evidence) -> Measured:
    """The cased vocabulary splits “walrus” into wa ##l ##rus, and another sentence with “BERT” into 14 pieces.

    Both sentences, with the vocabulary of bert-base-cased where its file is there.
    """
    first, second = "I am the walrus.", "What are the elements in a BERT word embedding?"
    found: dict[str, Value] = {"this checkpoint: walrus": " ".join(_tokens(evidence, first))}
    if evidence.cased is None:
        return found | {"cased: walrus": None, "cased: BERT": None, "cased: pieces": None}
    cased = BertTokenizer(vocab=str(evidence.cased), do_lower_case=False)
    walrus, pieces = cased.tokenize(first), cased.tokenize(second)
    return found | {
        "cased: walrus": " ".join(walrus),
        "cased: BERT": " ".join(pieces[6:9]),
        "cased: pieces": len(pieces),
    }


# --- Inputs ------------------------------------------------------------------------------------------------------


@claim(
    "article, 2",
    chapter="segment_ids",
    needs=[("inputs equal to those made by hand", "=", 4)],
    limits=[("encode_plus is there", "=", False)],
)
def c37(evidence: Evidence) -> Measured:
    """The library does all the formatting of the inputs, with encode_plus.

    Ids, segments and mask of a pair, made by hand; and positions, handed to the model, which else counts them.
    """
    evidence.require(segments=2)
    tokenizer = evidence.bert.tokenizer
    first, second = tokenizer.tokenize("my dog"), tokenizer.tokenize("barks")
    made = {
        "input_ids": _ids(evidence, "[CLS]", *first, "[SEP]", *second, "[SEP]"),
        "token_type_ids": [0] * (len(first) + 2) + [1] * (len(second) + 1),
        "attention_mask": [1] * (len(first) + len(second) + 3),
    }
    given = tokenizer("my dog", "barks", return_tensors="pt")
    counted = _last(evidence, **given, position_ids=torch.arange(len(made["input_ids"]))[None])
    equal = sum(given[name][0].tolist() == values for name, values in made.items())
    return {
        "inputs equal to those made by hand": equal + int(torch.equal(counted, _last(evidence, **given))),
        "encode_plus is there": hasattr(tokenizer, "encode_plus"),
    }


@claim(
    "article, 2.1",
    chapter="special_tokens",
    needs=[("cosine with and without them, mean", "<", 0.99)],
    limits=[("runs without them", "=", True)],
)
def c09(evidence: Evidence) -> Measured:
    """[CLS] and [SEP] are always required.

    The bank sentence without them: does the model refuse, and how far do the other vectors move?
    """
    encoding, states = evidence.bank
    bare = _last(evidence, input_ids=encoding.input_ids[:, 1:-1], attention_mask=encoding.attention_mask[:, 1:-1])
    cosines = torch.cosine_similarity(bare, states[0, 1:-1, -1], dim=1)
    return {
        "runs without them": bool(bare.isfinite().all()),
        "cosine with and without them, mean": float(cosines.mean()),
        "cosine with and without them, lowest": float(cosines.min()),
    }


@claim(
    "article, 2.3",
    chapter="segment_ids",
    needs=[("segment id of a single sentence", "=", "1"), ("pair: ids as claimed", "=", True)],
)
def c10(evidence: Evidence) -> Measured:
    """A single sentence is a series of 1s; a pair is 0s up to the first [SEP], then 1s.

    What the tokenizer makes of both, and what segment 1 does to the vectors of a single sentence.
    """
    evidence.require(segments=2)
    tokenizer, encoding = evidence.bert.tokenizer, evidence.bank[0]
    pair = tokenizer("First one.", "Second.")
    cut = pair["input_ids"].index(tokenizer.sep_token_id) + 1
    zero, one = (
        _last(evidence, input_ids=encoding.input_ids, token_type_ids=torch.full_like(encoding.input_ids, segment))
        for segment in (0, 1)
    )
    return {
        "segment id of a single sentence": " ".join(map(str, sorted(set(tokenizer(BANK)["token_type_ids"])))),
        "pair: ids as claimed": pair["token_type_ids"] == [0] * cut + [1] * (len(pair["input_ids"]) - cut),
        "cosine of segment 0 with segment 1, mean": float(torch.cosine_similarity(zero, one, dim=1).mean()),
    }


@claim(
    "article, 3.1",
    chapter="segment_ids",
    needs=[("second parameter", "=", "token_type_ids"), ("off from a call with segments", "=", 0)],
)
def c11(evidence: Evidence) -> Measured:
    """The call model(tokens_tensor, segments_tensors) hands over segment ids.

    That call against two calls by keyword. Then the same call with a pair: does B notice when A is another sentence?
    """
    evidence.require(segments=2)
    ids = evidence.bank[0].input_ids
    ones = torch.ones_like(ids)
    written = _last(evidence, ids, ones)
    second = []
    for first in ("The soup was hot.", "My dog can sing."):
        pair = encode(evidence.bert, first, "It was very good.")
        second.append(_last(evidence, pair.input_ids, pair.token_type_ids)[pair.token_type_ids[0] == 1])
    return {
        "second parameter": list(inspect.signature(evidence.bert.model.forward).parameters)[1],
        "off from a call with segments": _off(written, _last(evidence, input_ids=ids, token_type_ids=ones)),
        "off from a call with a mask": _off(written, _last(evidence, input_ids=ids, attention_mask=ones)),
        "pair: B notices another A": _off(second[0], second[1]) > 1e-5,
    }


# --- States ------------------------------------------------------------------------------------------------------


@claim(
    "article, 3.2",
    chapter="loading",
    needs=[("states minus layers", "=", 1), ("values minus the product", "=", 0)],
    published="bert-base-uncased: 13 x 1 x 22 x 768 = 219,648 (article, 3.2)",
    beside=["values"],
)
def c12(evidence: Evidence) -> Measured:
    """The states are 13 x 1 x 22 x 768 = 219,648 values: one state more than layers.

    The bank sentence: its values are counted, and compared with (layers + 1) x texts x tokens x features.
    """
    encoding, states = evidence.bank
    rows, tokens = encoding.input_ids.shape
    n, features = evidence.bert.n_layers, evidence.bert.hidden_size
    return {
        "layers": n,
        "shape [texts, tokens, states, features]": " ".join(map(str, states.shape)),
        "values": states.numel(),
        "states minus layers": states.shape[2] - n,
        "values minus the product": states.numel() - (n + 1) * rows * tokens * features,
    }


@claim(
    "article, 3.2",
    chapter="hidden_states",
    needs=[("within [-2, 2], lowest layer", ">", 0.9)],
    limits=[("share of the far values in three features", ">", 0.5)],
)
def c13(evidence: Evidence) -> Measured:
    """Most values lie in [-2, 2], a few near -10, alike in all layers and tokens.

    The bank sentence: the share within [-2, 2] by layer. The far values, beyond 3: are they spread over the features,
    or do a few features hold them in token after token?
    """
    sizes = evidence.bank[1][0].abs()
    within = (sizes <= 2).float().mean(dim=(0, 2))
    places = (sizes > 3).nonzero()[:, 2]
    counts = torch.bincount(places, minlength=evidence.bert.hidden_size).topk(3)
    return {
        "within [-2, 2], by layer": tuple(within.tolist()),
        "within [-2, 2], lowest layer": float(within.min()),
        "lowest value": float(evidence.bank[1].min()),
        "highest value": float(evidence.bank[1].max()),
        "far values": len(places),
        "three features with most of them": " ".join(map(str, sorted(counts.indices.tolist()))),
        "share of the far values in three features": float(counts.values.sum()) / max(1, len(places)),
    }


@claim(
    "article, 3.2",
    chapter="hidden_states",
    needs=[("one text: off from ours", "=", 0)],
    limits=[("two texts: axes after squeeze", "≠", 3)],
)
def c14(evidence: Evidence) -> Measured:
    """The steps stack, squeeze and permute turn the model's states into [tokens, layers, features].

    The three steps for one text, compared with hidden_states(); and squeeze for a batch of two.
    """
    stacked = []
    for encoding in (evidence.bank[0], encode(evidence.bert, ["one text", "two texts"])):
        inputs = {"input_ids": encoding.input_ids, "attention_mask": encoding.attention_mask}
        with torch.no_grad():
            stacked.append(torch.stack(evidence.bert.model(**inputs, output_hidden_states=True).hidden_states))
    one, two = (states.squeeze(dim=1) for states in stacked)
    return {
        "one text: off from ours": _off(one.permute(1, 0, 2), evidence.bank[1][0]),
        "two texts: axes after squeeze": two.ndim,
    }


@claim(
    "article, 3.3",
    chapter="pooling",
    needs=[("concatenated / features", "=", 4.0), ("summed / features", "=", 1.0)],
    published="bert-base-uncased: 3,072 and 768 (article, 3.3)",
    beside=["concatenated", "summed"],
)
def c15(evidence: Evidence) -> Measured:
    """Concatenating the last four layers gives 4 x the features (3,072), summing them the same number (768).

    The shapes, divided by the features of this checkpoint.
    """
    evidence.require(layers=4)
    states, features = evidence.bank[1], evidence.bert.hidden_size
    joined, summed = (combine_layers(states, how).shape[-1] for how in ("concat_last_4", "sum_last_4"))
    return {
        "concatenated": joined,
        "summed": summed,
        "concatenated / features": joined / features,
        "summed / features": summed / features,
    }


@claim(
    "article, 3.3",
    chapter="pooling",
    needs=[("off from the mean by hand", "<", 1e-05)],
    limits=[("cosine with 40 [PAD] left in", "<", 0.99)],
)
def c16(evidence: Evidence) -> Measured:
    """A sentence vector is the mean of all tokens of the second-to-last layer.

    The article's vector of the bank sentence; without [CLS] and [SEP]; and with padding left in.
    """
    encoding, states = evidence.bank
    layer = combine_layers(states, "second_to_last")
    whole, content = (pool_sentences(layer, mask) for mask in (encoding.attention_mask, encoding.content_mask))
    batch = encode(evidence.bert, [BANK, "word " * 60])  # 62 tokens: 40 more than the bank sentence
    padded = hidden_states(evidence.bert, batch, [-2])[0, :, 0].mean(dim=0)
    return {
        "features": whole.shape[1],
        "off from the mean by hand": _off(whole[0], states[0, :, -2].mean(dim=0)),
        "cosine without [CLS] and [SEP]": float(cosine_similarity(whole, content)),
        "cosine with 40 [PAD] left in": float(cosine_similarity(whole, padded)),
    }


@claim(
    "first and second answer",
    chapter="hidden_states",
    needs=[("vectors of a token minus layers", "=", 1), ("tokens minus pieces", "=", 2)],
)
def c31(evidence: Evidence) -> Measured:
    """There is one vector for each token and layer, and [CLS] and [SEP] have theirs too.

    The bank sentence. The one vector above the number of layers is the embedding output, layer 0.
    """
    _, tokens, states, _ = evidence.bank[1].shape
    pieces = len(evidence.bert.tokenizer.tokenize(BANK))
    return {
        "tokens": tokens,
        "vectors of a token": states,
        "vectors of a token minus layers": states - evidence.bert.n_layers,
        "tokens minus pieces": tokens - pieces,
    }


# --- Context -----------------------------------------------------------------------------------------------------


@claim(
    "article, 3.4",
    chapter="context",
    needs=[("vault, robber minus robber, river", ">", 0)],
    limits=[("furthest from the article's figures", ">", 0.005)],
    published="bert-base-uncased: 0.94 and 0.69 (article, 3.4); with segment 1, in the older library: 0.95 and 0.68",
    beside=["vault, robber", "robber, river"],
)
def c17(evidence: Evidence) -> Measured:
    """Sum of the last four layers: bank vault and bank robber 0.94, bank robber and river bank 0.69.

    The three banks. The rule asks for the order; the figures themselves belong to bert-base-uncased.
    """
    evidence.require(layers=4)
    encoding, states = evidence.bank
    banks = combine_layers(states)[0, [i for i, token in enumerate(encoding.tokens[0]) if token == "bank"]]
    cosines = cosine_similarity(banks)
    same, other = float(cosines[0, 1]), float(cosines[1, 2])
    return {
        "vault, robber": same,
        "robber, river": other,
        "vault, robber minus robber, river": same - other,
        "furthest from the article's figures": max(abs(same - 0.94), abs(other - 0.69)),
        "first values, vault": tuple(banks[0, :5].tolist()),
    }


@claim(
    "article, introduction; first answer",
    chapter="context",
    needs=[("static table: largest difference", "=", 0.0), ("BERT, last layer: cosine", "<", 0.99)],
)
def c18(evidence: Evidence) -> Measured:
    """A static table has one vector for “bank” in two sentences, BERT has two.

    The article's two sentences. The static table is the one that this checkpoint has inside.
    """
    texts = ["The man was accused of robbing a bank.", "The man went fishing by the bank of the river."]
    encoding = encode(evidence.bert, texts)
    at = [tokens.index("bank") for tokens in encoding.tokens]
    first, second = evidence.table[encoding.input_ids[[0, 1], at]]
    one, other = hidden_states(evidence.bert, encoding)[[0, 1], at]
    return {
        "static table: largest difference": _off(first, second),
        "BERT, by layer: cosine": tuple(torch.cosine_similarity(one, other, dim=1).tolist()),
        "BERT, last layer: cosine": float(torch.cosine_similarity(one[-1], other[-1], dim=0)),
    }


@claim(
    "article, 3.5",
    chapter="context",
    needs=[("bank moves with another word", "=", 0.0), ("sense accuracy minus guessing, at most", "<", 0.1)],
    limits=[("cosine of two banks in a sentence", "<", 0.999)],
)
def c19(evidence: Evidence) -> Measured:
    """The first state has no contextual information.

    Layer 0: does “bank” move when another word of its sentence changes; does it depend on its place; and are the
    senses of 20 words told apart there, better than by guessing?
    """
    encoding, states = evidence.bank
    banks = states[0, [i for i, token in enumerate(encoding.tokens[0]) if token == "bank"], 0]
    river, street = (hidden_states(evidence.bert, encode(evidence.bert, text), [0])[0, -3, 0] for text in STREAMS)
    guessing = np.array([guess(senses) for _, senses in evidence.uses.values()])
    return {
        "bank moves with another word": _off(river, street),
        "cosine of two banks in a sentence": float(cosine_similarity(banks[0], banks[2])),
        "guessing": float(guessing.mean()),
        **sure("sense accuracy", average(evidence.sense_accuracy[:, 0])),
        "sense accuracy minus guessing, at most": paired_difference(evidence.sense_accuracy[:, 0], guessing)[2],
    }


@claim(
    "article, 3.5; first answer",
    chapter="context",
    needs=[("accuracy, last minus first layer, at least", ">", 0)],
    limits=[("steps at which the accuracy falls", ">", 0), ("steps at which the self-similarity rises", ">", 0)],
)
def c20(evidence: Evidence) -> Measured:
    """The deeper the layer, the more context is in it.

    The senses of 20 words, by layer: the nearest other use has the same sense; cosines and self-similarity, without
    the mean of all vectors.
    """
    accuracy = evidence.sense_accuracy
    everything = torch.cat([own for own, _ in evidence.uses.values()])
    mean = everything.mean(dim=0)
    gaps, selves, raw = [], [], []
    for k in range(accuracy.shape[1]):
        each = [(remove_mean(own[:, k], mean[k]), senses) for own, senses in evidence.uses.values()]
        gaps.append(float(np.mean([same_minus_other(own, senses) for own, senses in each])))
        selves.append(float(np.mean([self_similarity(own) for own, _ in each])))
        raw.append(float(np.mean([self_similarity(own[:, k]) for own, _ in evidence.uses.values()])))
    line = accuracy.mean(axis=0)
    return {
        "sense accuracy, by layer": tuple(line.tolist()),
        "same sense minus other sense, by layer": tuple(gaps),
        "self-similarity with the mean, by layer": tuple(raw),
        "self-similarity, by layer": tuple(selves),
        **sure("accuracy, last minus first layer", paired_difference(accuracy[:, -1], accuracy[:, 0])),
        "steps at which the accuracy falls": int((np.diff(line) < -1e-6).sum()),
        "steps at which the self-similarity rises": int((np.diff(selves) > 1e-4).sum()),
    }


@claim(
    "first answer",
    chapter="context",
    needs=[
        ("static table: place of iphone", "≤", 100),
        ("static table: place of fruit", "≤", 100),
        ("accuracy at the last layer, at least", ">", 0.5),
    ],
)
def c35(evidence: Evidence) -> Measured:
    """In a static table “apple” is near the phone and the fruit; BERT keeps the two apart (“never tried it”).

    The places of two words among the neighbours of “apple” in the table. Then 24 uses of “apple”: has the nearest
    other use the same sense?
    """
    uses, senses = evidence.uses["apple"]
    apple, *others = _ids(evidence, "apple", "iphone", "fruit")
    cosines = torch.cosine_similarity(evidence.table[apple], evidence.table, dim=1)
    iphone, fruit = (int((cosines > cosines[other]).sum()) for other in others)
    line = [neighbour_accuracy(uses[:, k], senses) for k in range(uses.shape[1])]
    return {
        "static table: place of iphone": iphone,
        "static table: place of fruit": fruit,
        "guessing": guess(senses),
        "accuracy, by layer": tuple(line),
        "accuracy at the last layer, at least": wilson_interval(round(line[-1] * len(senses)), len(senses))[0],
    }


@claim(
    "second answer",
    chapter="attention",
    needs=[("bank moves, attention open", ">", 0.001), ("bank moves, attention cut", "=", 0)],
)
def c38(evidence: Evidence) -> Measured:
    """Context gets in through the layers of self-attention.

    “river” becomes “street”: how far the last vector of “bank” moves, as a share of its length; and again when no
    other token may look at that word.
    """
    moves: dict[str, Value] = {}
    for name, score in (("open", 0.0), ("cut", -torch.inf)):
        vectors = []
        for text, word in STREAMS.items():
            encoding = encode(evidence.bert, text)
            state = hidden_states(evidence.bert, encoding, [0])[:, :, 0]
            place = encoding.tokens[0].index(word)
            mask = torch.zeros(1, 1, state.shape[1], state.shape[1])
            mask[..., place] = score  # a column: all others look there
            mask[..., place, place] = 0  # it may look at itself
            with torch.no_grad():
                for layer in evidence.bert.model.encoder.layer:
                    state = layer(state, attention_mask=mask)
            vectors.append(state[0, encoding.tokens[0].index("bank")])
        moves[f"bank moves, attention {name}"] = float((vectors[0] - vectors[1]).norm() / vectors[0].norm())
    return moves


# --- Layers and probes -------------------------------------------------------------------------------------------


@claim(
    "article, 3.5",
    chapter="layer_choice",
    needs=[("jobs of 3 where it is ahead of the last", ">", 0)],
    limits=[("jobs of 3 where it is ahead of the last", "<", 3)],
    published=f"second-to-last 95.6, last 94.9 ({TABLE_7_SOURCE})",
    beside=["minus the last: entities, as published, points", "minus the last: senses", "minus the last: pairs"],
)
def c21(evidence: Evidence) -> Measured:
    """The last layers serve the pre-training task, so the second-to-last is the sweet spot.

    Second-to-last minus last layer in three jobs: named entities as published, word senses and graded pairs as
    measured here. Ahead, where it is measured: the whole 95 % interval of the difference is above 0.
    """
    pairs = evidence.pairs
    published = TABLE_7["second-to-last"] - TABLE_7["last"]
    senses = paired_difference(evidence.sense_accuracy[:, -2], evidence.sense_accuracy[:, -1])
    graded = paired_difference(pairs.mean[:, -2], pairs.mean[:, -1], pairs.scores, score=spearman, n=300)
    return {
        "senses, accuracy by layer": tuple(evidence.sense_accuracy.mean(axis=0).tolist()),
        "pairs, Spearman by layer": tuple(spearman(values, pairs.scores) for values in pairs.mean.T),
        "minus the last: entities, as published, points": published,
        **sure("minus the last: senses", senses),
        **sure("minus the last: pairs", graded),
        "jobs of 3 where it is ahead of the last": sum(gap > 0 for gap in (published, senses[1], graded[1])),
    }


@claim(
    "article, 3.5",
    chapter="layer_choice",
    needs=[("first in table 7", "=", "concatenation of the last 4"), ("table 7: next, behind by", "<", 1.0)],
    limits=[("here: concatenation minus best other, at least", "≤", 0)],
    published=f"{', '.join(f'{name} {score}' for name, score in TABLE_7.items())} ({TABLE_7_SOURCE})",
    beside=[f"here: {name}, F1" for name in TABLE_7],
)
def c22(evidence: Evidence) -> Measured:
    """For named entities the concatenation of the last four layers did best, others come close.

    The published table; and a BiLSTM on the same six inputs, on the entities data, with one seed (chapter 8 has
    several).
    """
    evidence.require(layers=4)
    first, second = sorted(TABLE_7, key=lambda name: -TABLE_7[name])[:2]
    counts = {name: evidence.sequence_counts[name] for name in TABLE_7}
    ours = counts.pop("concatenation of the last 4")
    best = max(counts, key=lambda name: f1(counts[name]))
    _, low, high = paired_difference(ours, counts[best], score=f1)
    return {
        "first in table 7": first,
        "table 7: next, behind by": TABLE_7[first] - TABLE_7[second],
        "here: concatenation of the last 4, F1": f1(ours),
        **{f"here: {name}, F1": f1(found) for name, found in counts.items()},
        "here: concatenation minus best other, at least": low,
        "here: concatenation minus best other, at most": high,
    }


@claim(
    "first answer",
    chapter="layer_choice",
    needs=[("first in table 7", "=", "weighted sum of the last 4")],
    published=f"concatenation 96.1, weighted sum 95.9, in its first version called a sum ({TABLE_7_SOURCE})",
    beside=["it is ahead of the sum by"],
)
def c34(evidence: Evidence) -> Measured:
    """The BERT authors settled on the sum of the last four layers for named entities.

    Which input is first in the published table?
    """
    first = max(TABLE_7, key=lambda name: TABLE_7[name])
    return {
        "first in table 7": first,
        "it is ahead of the sum by": TABLE_7[first] - TABLE_7["weighted sum of the last 4"],
    }


@claim("article, introduction", chapter="layer_choice", needs=[("contextual minus static, at least", ">", 0)])
def c29(evidence: Evidence) -> Measured:
    """Contextual vectors make better models on top of them than static ones.

    The BiLSTM for named entities, on the static table and on a learned sum of all layers; one seed.
    """
    static, contextual = (evidence.sequence_counts[name] for name in ("static table", "weighted sum of all"))
    _, low, high = paired_difference(contextual, static, score=f1)
    return {
        "static table, F1": f1(static),
        "contextual, F1": f1(contextual),
        "contextual minus static, at least": low,
        "contextual minus static, at most": high,
    }


@claim(
    "article, introduction",
    chapter="layer_choice",
    needs=[("linear minus capitals, at least", ">", 0), ("BiLSTM minus capitals, at least", ">", 0)],
)
def c36(evidence: Evidence) -> Measured:
    """The vectors of one model serve as inputs of other models: LSTM, CNN, linear.

    A linear map (sum of the last four layers) and a BiLSTM (last layer) for named entities, on frozen vectors. The
    rival has no vectors: each run of capitals inside a sentence is an entity, of the commonest kind. No CNN is tried.
    """
    (train, tags), (test, gold) = evidence.tagged["train"], evidence.tagged["test"]
    flat = [tag for own in tags for tag in own]
    kind = max(sorted({tag[2:] for tag in flat if tag != "O"}), key=lambda name: flat.count(f"B-{name}"))
    capitals = []
    for sentence in datasets.entities("test"):
        large = [i > 0 and word[0].isupper() for i, word in enumerate(sentence.words)]
        marks = ["O" if not now else "I" if before else "B" for before, now in pairwise([False, *large])]
        capitals.append([mark if mark == "O" else f"{mark}-{kind}" for mark in marks])
    summed = [torch.cat([evidence.last_four(own).sum(dim=1) for own in part]) for part in (train, test)]
    answers = iter(linear_probe(summed[0], flat, summed[1]))
    counts = {
        "linear": entity_counts(gold, [[next(answers) for _ in own] for own in gold]),
        "BiLSTM": evidence.sequence_counts["last"],
    }
    rival = entity_counts(gold, capitals)
    return {
        "capitals, F1": f1(rival),
        **{f"{name}, F1": f1(found) for name, found in counts.items()},
        **{
            f"{name} minus capitals, at least": paired_difference(found, rival, score=f1)[1]
            for name, found in counts.items()
        },
    }


# --- Similarity and search ---------------------------------------------------------------------------------------


@claim(
    "article, 4.3",
    chapter="similarity_and_search",
    needs=[("sentences in order, at least", ">", 0.5)],
    limits=[("words in order, at least", ">", 0.5)],
)
def c26(evidence: Evidence) -> Measured:
    """Comparing words by cosine is of little value, as they depend on their sentence; comparing sentences is valid.

    Two ranking tasks, in which a coin is right half of the time. Words: is a use in the same sense nearer than one in
    another sense (sum of the last four layers)? Sentences: has a pair scored 4 or 5 a higher cosine than one scored
    0 or 1?
    """
    words = []
    for uses, senses in evidence.uses.values():
        cosines, names = cosine_similarity(evidence.last_four(uses).sum(dim=1)).numpy(), np.array(senses)
        same = names[:, None] == names
        others = same & ~np.eye(len(names), dtype=bool)
        words.append(np.mean([in_order(row[others[i]], row[~same[i]]).mean() for i, row in enumerate(cosines)]))
    values, scores = evidence.pairs.mean[:, evidence.sentence_layer], evidence.pairs.scores
    return {
        **sure("words in order", average(np.array(words))),
        **sure("sentences in order", average(in_order(values[scores >= 4], values[scores <= 1]))),
    }


@claim(
    "article, 4.3",
    chapter="similarity_and_search",
    needs=[("unrelated, highest minus lowest", ">", 0.1), ("upper half minus cut, mean of the layers", ">", 0)],
    published="mean cosine of random words in bert-base-cased: .105 in layer 0, .675 in layer 11, .477 in the last "
    "(data of Ethayarajh 2019, aclanthology D19-1006)",
    beside=["unrelated sentences, by layer"],
)
def c27(evidence: Evidence) -> Measured:
    """The ranking of similarities says more than their values.

    What unrelated sentences have, by layer. Then, which pairs are alike (scored 3 or more)? Those with a cosine above
    0.5, or the upper half of the ranking: the share that is right.
    """
    pairs = evidence.pairs
    alike = (pairs.scores >= 3)[:, None]
    cut = ((pairs.mean > 0.5) == alike).mean(axis=0)
    upper = ((pairs.mean > np.median(pairs.mean, axis=0)) == alike).mean(axis=0)
    jump = int(np.abs(np.diff(pairs.unrelated)).argmax())
    return {
        "unrelated sentences, by layer": pairs.unrelated,
        "unrelated, highest minus lowest": max(pairs.unrelated) - min(pairs.unrelated),
        "Spearman of the rankings at the largest step": spearman(pairs.mean[:, jump], pairs.mean[:, jump + 1]),
        "right with a cut at 0.5, by layer": tuple(cut.tolist()),
        "right with the upper half, by layer": tuple(upper.tolist()),
        "upper half minus cut, mean of the layers": float((upper - cut).mean()),
    }


@claim(
    "article, introduction",
    chapter="similarity_and_search",
    needs=[("reciprocal rank minus TF-IDF, at least", ">", 0), ("reciprocal rank, at least", ">", 0.1)],
    limits=[("answers in the first place", "<", 0.9)],
)
def c28(evidence: Evidence) -> Measured:
    """Semantic search finds the right answer without a shared keyword.

    Questions that share no content word with their answers, among all answers and the distractors.
    """
    ours, rival = (evidence.reciprocal_ranks[how] for how in ("mean", "tf-idf"))
    return {
        "questions": len(ours),
        "texts": len(ours) + len(datasets.distractors()),
        "answers in the first place": float((ours == 1).mean()),
        "TF-IDF: answers in the first place": float((rival == 1).mean()),
        **sure("reciprocal rank", average(ours)),
        "TF-IDF: reciprocal rank": float(rival.mean()),
        "reciprocal rank minus TF-IDF, at least": paired_difference(ours, rival)[1],
    }


@claim(
    "article, 4.1",
    chapter="similarity_and_search",
    needs=[("tasks of 2 where [CLS] is behind the mean", ">", 0)],
    limits=[("tasks of 2 where [CLS] is behind the mean", "<", 2)],
    published="BERT without fine-tuning, STS benchmark, Spearman x 100: [CLS] 16.50, mean of the tokens 46.35 "
    "(Sentence-BERT, table 1, arXiv 1908.10084)",
    beside=["pairs, [CLS], Spearman", "pairs, mean, Spearman"],
)
def c23(evidence: Evidence) -> Measured:
    """[CLS] is not a good sentence vector before fine-tuning.

    [CLS] against the mean of the tokens, in graded pairs and in search, at the recommended layer. Behind: the whole
    95 % interval of the difference is below 0.
    """
    pairs, layer = evidence.pairs, evidence.sentence_layer
    columns = pairs.cls[:, layer], pairs.mean[:, layer], pairs.scores
    _, low, high = paired_difference(*columns, score=spearman, n=300)
    cls, mean = (evidence.reciprocal_ranks[how] for how in ("cls", "mean"))
    search = paired_difference(cls, mean)
    lines = {
        name: tuple(spearman(values, pairs.scores) for values in cosines.T[1:])  # at layer 0 all [CLS] are the same
        for name, cosines in (("[CLS]", pairs.cls), ("mean", pairs.mean))
    }
    return {
        **{f"pairs, {name}, Spearman by layer from 1": line for name, line in lines.items()},
        **{f"pairs, {name}, Spearman": line[layer] for name, line in lines.items()},
        "pairs, [CLS] minus mean, at least": low,
        "pairs, [CLS] minus mean, at most": high,
        "search, [CLS], reciprocal rank": float(cls.mean()),
        "search, mean, reciprocal rank": float(mean.mean()),
        **sure("search, [CLS] minus mean", search),
        "tasks of 2 where [CLS] is behind the mean": sum(end < 0 for end in (high, search[2])),
    }


# --- Training ----------------------------------------------------------------------------------------------------


@claim(
    "article, 4.1; second answer",
    chapter="fine_tuning_cls",
    needs=[("trained minus frozen, at least", ">", 0)],
)
def c24(evidence: Evidence) -> Measured:
    """[CLS] becomes meaningful when the model is fine-tuned.

    Does a sentence name a place? Told from [CLS] on held-out sentences with other names: by a linear probe on [CLS]
    as it comes, and after one epoch of fine-tuning the upper three layers (chapter 11 trains longer).
    """
    ours = evidence.place
    return {
        "held-out sentences": len(ours["frozen"]),
        "right, always the commoner answer": float(ours["commoner"].mean()),
        "right, frozen [CLS]": float(ours["frozen"].mean()),
        "right, fine-tuned": float(ours["trained"].mean()),
        **sure("trained minus frozen", paired_difference(ours["trained"], ours["frozen"])),
    }


@claim(
    "second answer",
    chapter="fine_tuning_cls",
    needs=[("true sentence chosen, at least", ">", 0.5)],
    limits=[("of the same story, at least", "≤", 0.5)],
    published="in pre-training, on its own text: 97 to 98 % (BERT paper, 3.1)",
    beside=["true sentence chosen"],
)
def c33(evidence: Evidence) -> Measured:
    """In pre-training [CLS] is used to tell whether two sentences follow each other.

    That task on our stories, from [CLS], after a short training; a third of the stories is held out. Of the sentence
    that follows and one from another story, which gets the higher score? A coin is right half of the time. Then with
    a wrong sentence of the same story, for which it was not trained. Intervals over stories.
    """
    evidence.require(segments=2)
    ours = evidence.next_sentence
    return {
        "held-out stories": len(ours["other"]),
        **sure("true sentence chosen", average(ours["other"])),
        **sure("of the same story", average(ours["same"])),
    }


CLAIMS: Mapping[str, Claim] = {
    entry.id: entry for entry in sorted((v for v in globals().values() if isinstance(v, Claim)), key=lambda c: c.id)
}


def _tokens(evidence: Evidence, text: str) -> list[str]:
    """The pieces of a text, without [CLS] and [SEP]."""
    return encode(evidence.bert, text).tokens[0][1:-1]


def _ids(evidence: Evidence, *tokens: str) -> list[int]:
    evidence.require(tokens=tokens)
    return [evidence.bert.tokenizer.get_vocab()[token] for token in tokens]


def _off(one: Tensor, other: Tensor) -> float:
    """The largest difference of two numbers at the same place."""
    return float((one - other).abs().max())


@torch.no_grad()
def _last(evidence: Evidence, *arguments: Tensor, **named: Tensor) -> Float[Tensor, "tokens features"]:
    """The model's own last state of one text, for whatever it is called with."""
    state: Tensor = evidence.bert.model(*arguments, **named).last_hidden_state
    return state[0]
