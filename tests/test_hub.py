"""The 2019 article's own checkpoint, bert-base-uncased: what is published about it comes out again.

The tests marked `hub` need the Hugging Face hub or its cache, and are skipped with the reason elsewhere (with
BERTUTIL_HUB=required they fail). Each but the last is a function that runs everywhere, with a small random stand-in
from a hub laid out on disk; what only the published weights can give is asserted where those are loaded.
"""

import os
import shutil
from dataclasses import replace
from hashlib import sha256

import pytest
import torch
from torch.testing import assert_close

import bertutil
from bertutil import checkpoints
from bertutil.course.inputs import BANK
from bertutil.course.ledger.claims import CLAIMS
from bertutil.course.ledger.evidence import Evidence
from bertutil.course.ledger.rules import FAILS, HOLDS, LIMIT, PUBLISHED, VERDICTS

NAME = "bert-base-uncased"
# The article, section 3.4: the first five values of the sum of the last four layers, and two cosines. By claim C11
# they belong to segment 0; a run of the older library, with true segment 1, printed 0.95 and 0.68.
ARTICLE = {
    "vault": [3.3596, -2.9805, -1.5421, 0.7065, 2.0031],
    "robber": [2.7359, -2.5577, -1.3094, 0.6797, 1.6633],
    "river": [1.5266, -0.8895, -0.5152, -0.9298, 2.8334],
}
COSINES = {0: (0.94, 0.69), 1: (0.95, 0.68)}
SURE = {"C01": HOLDS, "C03": HOLDS, "C05": FAILS, "C06": HOLDS, "C11": FAILS, "C12": HOLDS, "C31": HOLDS}


@pytest.fixture(scope="module")
def hub(tiny_folder, bert, tmp_path_factory):
    """A folder laid out like the hub's cache, with a tiny random BertModel in the place of bert-base-uncased."""
    cache = tmp_path_factory.mktemp("hub")
    entry = bertutil.CATALOGUE[NAME]
    repository = cache / f"models--{entry.hub_id.replace('/', '--')}"
    snapshot = shutil.copytree(tiny_folder, repository / "snapshots" / entry.revision)
    vocabulary = bert.tokenizer.get_vocab()
    (snapshot / "vocab.txt").write_text("".join(f"{t}\n" for t in sorted(vocabulary, key=vocabulary.get)), "utf-8")
    return cache, {file: sha256((snapshot / file).read_bytes()).hexdigest() for file in entry.digests}


@pytest.fixture
def stand_in(hub, monkeypatch):
    """What load() takes for bert-base-uncased, with the digests of its own files in the catalogue."""
    cache, digests = hub
    entry = replace(bertutil.CATALOGUE[NAME], digests=digests)
    monkeypatch.setattr(checkpoints, "CATALOGUE", {**bertutil.CATALOGUE, NAME: entry})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(cache))
    return bertutil.load(NAME)


@pytest.fixture(scope="module")
def published():
    """The real one; its files' digests are checked by load()."""
    try:
        bert = bertutil.load(NAME)
    except ConnectionError as error:
        if os.environ.get("BERTUTIL_HUB") == "required":
            raise
        pytest.skip(f"the hub cannot be reached: {error.__cause__}")
    assert is_published(bert)
    return bert


@pytest.fixture(params=["stand_in", pytest.param("published", marks=pytest.mark.hub)])
def article(request):
    """The article's checkpoint, and the small stand-in for it."""
    return request.getfixturevalue(request.param)


def is_published(bert):
    return bert.hidden_size == 768


def banks(bert, segment=0):
    """The vectors of the three banks of the article's sentence, in a segment: [3, features]."""
    encoding = bertutil.encode(bert, BANK)
    encoding = replace(encoding, token_type_ids=torch.full_like(encoding.token_type_ids, segment))
    words = bertutil.pool_words(bertutil.combine_layers(bertutil.hidden_states(bert, encoding)), encoding)[0]
    return words[[i for i, word in enumerate(encoding.words[0]) if word.text == "bank"]]


def test_the_checkpoint_is_the_one_of_the_catalogue(article):
    entry = checkpoints.CATALOGUE[NAME]
    folder = checkpoints.locate(NAME)
    assert folder.name == entry.revision
    assert {f: sha256((folder / f).read_bytes()).hexdigest() for f in entry.digests} == dict(entry.digests)
    if is_published(article):
        assert (article.n_layers, article.hidden_size) == (12, 768)


def test_the_tokens_and_the_states_are_those_of_the_article(article, bank_sentence):
    assert bank_sentence == BANK
    encoding = bertutil.encode(article, BANK)
    assert encoding.input_ids.shape == (1, 22)
    assert [i for i, token in enumerate(encoding.tokens[0]) if token == "bank"] == [6, 10, 19]
    states = bertutil.hidden_states(article, encoding)
    assert states.shape == (1, 22, article.n_layers + 1, article.hidden_size)
    if is_published(article):
        assert states.numel() == 219_648


def test_the_three_vectors_begin_with_the_articles_values(article):
    vectors = banks(article)
    assert vectors.shape == (3, article.hidden_size)
    if is_published(article):
        for vector, values in zip(vectors, ARTICLE.values(), strict=True):
            assert_close(vector[:5], torch.tensor(values), atol=2e-4, rtol=0)


@pytest.mark.parametrize("segment", COSINES)
def test_the_cosines_are_the_published_ones_in_each_segment(article, segment):
    vault, robber, river = banks(article, segment)
    cosines = bertutil.cosine_similarity(robber, torch.stack([vault, river]))[0]
    assert cosines.abs().max() <= 1
    if is_published(article):
        assert tuple(round(float(cosine), 2) for cosine in cosines) == COSINES[segment]


def test_the_segment_reaches_the_vectors(article):
    assert not torch.equal(banks(article, 0), banks(article, 1))


@pytest.mark.parametrize("claim", SURE)
def test_claims_about_the_vocabulary_and_the_call_come_out_alike_for_every_checkpoint(article, claim):
    assert CLAIMS[claim].examine(Evidence(article)).verdict == SURE[claim]


@pytest.mark.hub
def test_the_whole_ledger_is_measured_on_the_articles_checkpoint(published):
    evidence = Evidence(published)
    findings = {name: claim.examine(evidence) for name, claim in CLAIMS.items()}
    assert len(findings) == len(CLAIMS)
    assert {finding.verdict for finding in findings.values()} <= set(VERDICTS)
    assert {name for name, finding in findings.items() if finding.verdict == PUBLISHED} <= {"C32", "C33", "C34"}
    assert findings["C17"].verdict in (HOLDS, LIMIT)
    assert findings["C17"].measured["furthest from the article's figures"] < 0.005
