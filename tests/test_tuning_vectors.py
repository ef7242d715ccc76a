"""Tuning sentence vectors on pairs of texts, and saving what comes out; chapter 12's data, measures and command."""

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_pre_hook

import bertutil
from bertutil import fine_tuning
from bertutil.course import datasets, tuning
from bertutil.fine_tuning import contrastive_loss, train_vectors
from tools import tuning as tool

WORDS = ["warm", "milk", "ships", "sail", "far", "trains", "run", "late", "cars", "stop", "old", "trees", "grow"]
WORDS += ["tall", "birds", "sing"]
# no word tells what belongs together; it has to be learned
PAIRS = [
    (f"the {word}", f"a note on {other}, and what it means")
    for word, other in zip(WORDS, WORDS[5:] + WORDS[:5], strict=True)
]
LOUD = {"epochs": 30, "batch_size": 8, "learning_rate": 3e-3}  # a random model of 32 features learns with large steps
SENTENCES = ["A bank by the river.", "Short.", "the ships sail " * 30]


def weights(bert):
    return {name: value.clone() for name, value in bert.model.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def cosines(bert, pairs):
    columns = [bertutil.embed(bert, list(column)) for column in list(zip(*pairs, strict=True))[:2]]
    return bertutil.cosine_similarity(*columns)


def calls(monkeypatch):
    """What contrastive_loss() is given, call by call."""
    seen = []

    def spy(queries, texts, temperature, leave_out):
        seen.append((len(queries), len(texts), temperature, leave_out.clone()))
        return contrastive_loss(queries, texts, temperature, leave_out)

    monkeypatch.setattr(fine_tuning, "contrastive_loss", spy)
    return seen


# --- The loss ---


def test_the_loss_is_that_of_sentence_transformers_in_both_directions(tiny_folder):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    both = ("query_to_doc", "doc_to_query")
    model = SentenceTransformer(str(tiny_folder))
    theirs = MultipleNegativesRankingLoss(model, scale=12.5, directions=both, partition_mode="per_direction")
    torch.manual_seed(0)
    vectors = [torch.randn(6, 8) for _ in range(2)]
    expected = theirs.compute_loss_from_embeddings(vectors, None)
    torch.testing.assert_close(contrastive_loss(*vectors, temperature=0.08), expected)


def test_the_loss_is_that_of_sentence_transformers_with_hard_negatives(tiny_folder):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    both = ("query_to_doc", "doc_to_query")
    model = SentenceTransformer(str(tiny_folder))
    theirs = MultipleNegativesRankingLoss(model, directions=both, partition_mode="per_direction")
    torch.manual_seed(0)
    queries, texts, wrong = (torch.randn(6, 8) for _ in range(3))
    expected = theirs.compute_loss_from_embeddings([queries, texts, wrong], None)
    torch.testing.assert_close(contrastive_loss(queries, torch.cat([texts, wrong])), expected)


def test_equal_vectors_leave_the_loss_of_guessing():
    same = torch.ones(8, 4)
    assert contrastive_loss(same, same).item() == pytest.approx(math.log(8))


def test_the_length_of_a_vector_does_not_matter_to_the_loss():
    torch.manual_seed(0)
    queries, texts = torch.randn(5, 8), torch.randn(5, 8)
    torch.testing.assert_close(contrastive_loss(3 * queries, texts / 7), contrastive_loss(queries, texts))


def test_what_is_left_out_changes_no_loss():
    torch.manual_seed(0)
    queries, texts = torch.randn(3, 8), torch.randn(3, 8)
    out = torch.zeros(3, 3, dtype=torch.bool)
    out[0, 1] = True
    moved = texts.clone()
    scores = functional.normalize(queries) @ functional.normalize(moved).T / 0.05
    rows = [scores[0, [0, 2]], scores[1], scores[2]]
    columns = [scores[:, 0], scores[[1, 2], 1], scores[:, 2]]
    own = [(rows[0], 0), (rows[1], 1), (rows[2], 2)], [(columns[0], 0), (columns[1], 0), (columns[2], 2)]
    by_hand = [torch.stack([values.logsumexp(0) - values[place] for values, place in side]).mean() for side in own]
    torch.testing.assert_close(contrastive_loss(queries, texts, leave_out=out), sum(by_hand) / 2)


# --- Training ---


@pytest.fixture(scope="module")
def tuned(tiny):
    return train_vectors(tiny, PAIRS, **LOUD)


def test_it_brings_the_texts_of_a_pair_together_and_others_apart(tiny, tuned):
    own = torch.eye(len(PAIRS), dtype=torch.bool)
    apart = [float(table[own].mean() - table[~own].mean()) for table in (cosines(tiny, PAIRS), cosines(tuned, PAIRS))]
    assert apart[0] < 0.05
    assert apart[1] > 0.2


def test_it_teaches_nothing_where_queries_and_texts_are_exchanged_at_random(tiny):
    exchanged = tuning.shuffled(PAIRS, seed=0)
    after = cosines(train_vectors(tiny, exchanged, **LOUD), PAIRS)
    own = torch.eye(len(PAIRS), dtype=torch.bool)
    assert after[own].mean() - after[~own].mean() < 0.1


def test_the_given_model_stays_as_it_was_bit_for_bit(tiny):
    before = weights(tiny)
    trained = train_vectors(tiny, PAIRS, epochs=1)
    assert equal(weights(tiny), before)
    assert not equal(weights(trained), before)
    assert not tiny.model.training
    assert all(parameter.grad is None for parameter in tiny.model.parameters())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny):
    one, same, other = (weights(train_vectors(tiny, PAIRS, epochs=1, seed=seed)) for seed in (3, 3, 4))
    assert equal(one, same)
    assert not equal(one, other)


def test_the_state_of_the_random_numbers_is_left_alone(tiny):
    torch.manual_seed(11)
    train_vectors(tiny, PAIRS, epochs=1)
    after = torch.rand(3)
    torch.manual_seed(11)
    assert torch.equal(after, torch.rand(3))


def test_it_trains_where_gradients_are_switched_off(tiny):
    with torch.no_grad():
        trained = train_vectors(tiny, PAIRS, epochs=1)
        assert not torch.is_grad_enabled()
    assert not equal(weights(trained), weights(tiny))


def test_only_the_upper_layers_move_where_so_many_are_asked_for(tiny):
    old, new = weights(tiny), weights(train_vectors(tiny, PAIRS, epochs=1, layers=1))
    assert {".".join(name.split(".")[:3]) for name in old if not torch.equal(old[name], new[name])} == {
        "encoder.layer.2"
    }


def test_the_result_is_in_evaluation_mode_and_float32(tiny_folder):
    half = bertutil.load(tiny_folder, dtype=torch.bfloat16)
    trained = train_vectors(half, PAIRS, epochs=1)
    assert not trained.model.training
    assert {parameter.dtype for parameter in trained.model.parameters()} == {torch.float32}


def test_the_result_says_how_its_vectors_are_made_and_embed_follows(tiny, tuned):
    assert tuned.name == f"{tiny.name}, tuned"
    assert tuned.sentence == bertutil.SentenceRecipe("last", "mean", specials=True, normalize=True)
    encoding = bertutil.encode(tuned, SENTENCES)
    last = bertutil.hidden_states(tuned, encoding, [-1])[:, :, 0]
    expected = bertutil.pool_sentences(last, encoding.attention_mask)
    np.testing.assert_allclose(bertutil.embed(tuned, SENTENCES), expected, atol=1e-5)


def test_a_checkpoint_that_pools_cls_is_trained_so(tiny):
    cls = dataclasses.replace(tiny, sentence=bertutil.SentenceRecipe("last", "cls", specials=True, length=64))
    trained, others = train_vectors(cls, PAIRS, epochs=1), train_vectors(tiny, PAIRS, epochs=1)
    assert trained.sentence == bertutil.SentenceRecipe("last", "cls", specials=True, normalize=True, length=64)
    assert not equal(weights(trained), weights(others))


def test_one_step_is_what_plain_torch_does(tiny):
    trained = train_vectors(tiny, PAIRS[:8], epochs=1, learning_rate=1e-3, seed=5)
    by_hand = bertutil.load(tiny.name).model.train()
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=1e-3)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        order = torch.randperm(8).tolist()
        vectors = []
        for side in (0, 1):
            inputs = tiny.tokenizer([PAIRS[i][side] for i in order], padding=True, return_tensors="pt")
            states, mask = by_hand(**inputs).last_hidden_state, inputs["attention_mask"][:, :, None]
            vectors.append(functional.normalize((states * mask).sum(dim=1) / mask.sum(dim=1)))
    scores = vectors[0] @ vectors[1].T / 0.05
    target = torch.arange(8)
    ((functional.cross_entropy(scores, target) + functional.cross_entropy(scores.T, target)) / 2).backward()
    optimizer.step()
    for name, value in by_hand.state_dict().items():
        torch.testing.assert_close(trained.model.state_dict()[name], value, atol=2e-5, rtol=0, msg=name)


def test_the_learning_rate_is_constant_and_the_steps_are_counted(tiny):
    rates = []
    handle = register_optimizer_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    train_vectors(tiny, PAIRS, epochs=2, batch_size=6, learning_rate=1e-4)
    handle.remove()
    assert rates == [1e-4] * 6  # 16 pairs in batches of 6, twice


def test_another_text_of_the_same_query_is_no_wrong_one(tiny, monkeypatch):
    seen = calls(monkeypatch)
    train_vectors(tiny, [("a", "one"), ("a", "two"), ("b", "three")], epochs=1)
    (_, _, _, out), (left, _) = seen[0], seen[0][3].nonzero().T.tolist()
    assert len(left) == 2  # of the first query's two pairs, each leaves out the other's text
    assert (out == out.T).all()
    assert not out.diagonal().any()


def test_the_same_text_of_two_queries_is_no_wrong_one_for_either(tiny, monkeypatch):
    seen = calls(monkeypatch)
    train_vectors(tiny, [("a", "one"), ("b", "one"), ("c", "two"), ("d", "three")], epochs=1)
    assert int(seen[0][3].sum()) == 2


def test_pairs_without_a_common_text_leave_nothing_out(tiny, monkeypatch):
    seen = calls(monkeypatch)
    train_vectors(tiny, PAIRS, epochs=1, batch_size=10, temperature=0.1)
    assert [(queries, texts, temperature) for queries, texts, temperature, _ in seen] == [(10, 10, 0.1), (6, 6, 0.1)]
    assert not any(out.any() for *_, out in seen)


def test_a_third_text_is_a_wrong_one_for_all_queries_of_the_batch(tiny, monkeypatch):
    seen = calls(monkeypatch)
    train_vectors(tiny, [(*pair, f"nothing on {word}") for pair, word in zip(PAIRS, WORDS, strict=True)], epochs=1)
    assert seen[0][:2] == (16, 32)
    assert not seen[0][3].any()


def test_a_third_text_that_is_right_for_another_query_of_the_batch_is_left_out_there(tiny, monkeypatch):
    seen = calls(monkeypatch)
    train_vectors(tiny, [("a", "one", "two"), ("b", "two", "three"), ("c", "four", "five")], epochs=1)
    rows, columns = seen[0][3].nonzero().T.tolist()
    assert len(rows) == 1
    assert columns[0] >= 3


def test_a_hard_negative_is_pushed_away(tiny):
    wrong = "a note on nothing at all"
    triples = [(query, text, wrong) for query, text in PAIRS]
    far, near = train_vectors(tiny, triples, **LOUD), train_vectors(tiny, PAIRS, **LOUD)

    def distance(bert):
        return float(cosines(bert, [(query, wrong) for query, _ in PAIRS])[:, 0].mean())

    assert distance(far) < distance(near)


def test_texts_are_cut_after_so_many_tokens_as_the_tokenizer_does(tiny):
    long = "word " * 50 + "end"
    found = fine_tuning._inputs(tiny, ["short", long], 12)
    expected = tiny.tokenizer(["short", long], truncation=True, max_length=12, padding=True, return_tensors="pt")
    for name, value in found.items():
        assert torch.equal(value, expected[name]), name


def test_a_text_that_is_cut_is_trained_as_if_it_were_shorter(tiny):
    short, long = ([(query, f"{query} {'more ' * n}") for query, _ in PAIRS] for n in (5, 40))
    cut = weights(train_vectors(tiny, long, epochs=1, length=9))  # [CLS], seven words, [SEP]
    assert equal(cut, weights(train_vectors(tiny, short, epochs=1)))
    assert not equal(cut, weights(train_vectors(tiny, long, epochs=1)))


@pytest.mark.parametrize(
    ("pairs", "options", "message"),
    [
        (PAIRS[:1], {}, "there are 1 pairs"),
        ([], {}, "there are 0 pairs"),
        ([("a", "b"), ("c", "d", "e")], {}, r"of \[2, 3\] texts"),
        ([("a",), ("b",)], {}, r"of \[1\] texts"),
        (["ab", "cd"], {}, "each is"),
        (PAIRS, {"epochs": 0}, r"epochs \(0\)"),
        (PAIRS, {"temperature": 0.0}, r"temperature \(0\.0\)"),
        (PAIRS, {"learning_rate": -1.0}, "all above 0"),
        (PAIRS, {"batch_size": 1}, r"batch_size \(1\) at least 2"),
        (PAIRS, {"length": 2}, "length is 2; it must be between 3"),
        (PAIRS, {"length": 513}, "and 512"),
        (PAIRS, {"layers": 4}, "layers is 4; this model has 3"),
        ([*PAIRS, ("long", "word " * 600)], {}, r"text 16, .word word.*too long.*length=512"),
    ],
)
def test_what_cannot_be_trained_is_refused(tiny, pairs, options, message):
    with pytest.raises(ValueError, match=message):
        train_vectors(tiny, pairs, **options)


def test_what_is_no_text_is_refused(tiny):
    with pytest.raises(TypeError, match="text 1"):
        train_vectors(tiny, [("a", "b"), ("c", None)])


# --- Saving ---

READ = """
import json, sys
import numpy as np
import torch
import bertutil
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer
folder, texts = sys.argv[1], json.loads(sys.argv[2])
inputs = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
with torch.no_grad():
    states = AutoModel.from_pretrained(folder)(**inputs).last_hidden_state
mask = inputs["attention_mask"][:, :, None]
by_transformers = torch.nn.functional.normalize((states * mask).sum(dim=1) / mask.sum(dim=1)).numpy()
by_sentence_transformers = SentenceTransformer(folder).encode(texts)
by_load = bertutil.embed(bertutil.load(folder), texts, normalize=True)
np.save(sys.argv[3], np.stack([by_load, by_transformers, by_sentence_transformers]))
"""


@pytest.fixture(scope="module")
def saved(bert, tmp_path_factory):
    """The default checkpoint, tuned for a step, its vectors, and the folder that it was saved in."""
    folder = tmp_path_factory.mktemp("saved") / "tuned"
    tuned = train_vectors(bert, PAIRS[:4], epochs=1, learning_rate=1e-4)
    bertutil.save(tuned, folder)
    return tuned, folder


def test_load_transformers_and_sentence_transformers_read_equal_vectors_in_a_fresh_process(saved, bert, tmp_path):
    tuned, folder = saved
    arguments = [str(folder), json.dumps(SENTENCES), str(tmp_path / "found.npy")]
    subprocess.run([sys.executable, "-c", READ, *arguments], check=True, capture_output=True)
    expected = bertutil.embed(tuned, SENTENCES, normalize=True)
    for found in np.load(tmp_path / "found.npy"):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(expected - bertutil.embed(bert, SENTENCES, normalize=True)).max() > 1e-3  # it was tuned


def test_what_was_saved_says_how_its_vectors_are_made(saved):
    tuned, folder = saved
    assert bertutil.load(folder).sentence == tuned.sentence


def test_a_longer_text_is_cut_by_the_library_where_the_recipe_says(saved):
    from sentence_transformers import SentenceTransformer

    assert SentenceTransformer(str(saved[1])).max_seq_length == 256


@pytest.mark.parametrize("how", ["cls", "max", "mean", "last", "mean_max"])
@pytest.mark.parametrize("normalize", [True, False])
def test_every_pooling_that_a_folder_can_name_is_read_alike(tiny, tmp_path, how, normalize):
    from sentence_transformers import SentenceTransformer

    recipe = bertutil.SentenceRecipe("last", how, specials=True, normalize=normalize, length=100)
    given = dataclasses.replace(tiny, sentence=recipe)
    bertutil.save(given, tmp_path / "saved")
    again = bertutil.load(tmp_path / "saved")
    assert again.sentence == recipe
    expected = bertutil.embed(given, SENTENCES, normalize=normalize)
    np.testing.assert_allclose(bertutil.embed(again, SENTENCES, normalize=normalize), expected, atol=1e-5)
    library = SentenceTransformer(str(tmp_path / "saved"))
    assert library.max_seq_length == 100
    np.testing.assert_allclose(library.encode(SENTENCES), expected, atol=1e-5)


def test_a_plain_bert_is_saved_as_one(tiny, tmp_path):
    bertutil.save(tiny, tmp_path / "saved")
    assert not (tmp_path / "saved" / "modules.json").exists()
    again = bertutil.load(tmp_path / "saved")
    assert again.sentence == tiny.sentence == bertutil.SentenceRecipe()
    np.testing.assert_allclose(bertutil.embed(again, SENTENCES), bertutil.embed(tiny, SENTENCES), atol=1e-6)


def test_the_default_checkpoint_keeps_its_recipe(bert, tmp_path):
    bertutil.save(bert, tmp_path / "saved")
    assert bertutil.load(tmp_path / "saved").sentence == bert.sentence


def test_the_precision_of_the_weights_is_kept(tiny_folder, tmp_path):
    half = bertutil.load(tiny_folder, dtype=torch.bfloat16)
    bertutil.save(half, tmp_path / "saved")
    again = bertutil.load(tmp_path / "saved", dtype=torch.bfloat16)
    assert equal(weights(again), weights(half))


def test_a_model_without_a_pooler_is_saved(tiny_folder, tmp_path):
    bert = bertutil.load(tiny_folder)
    bert.model.pooler = None
    bertutil.save(bert, tmp_path / "saved")
    assert bertutil.load(tmp_path / "saved").model.pooler is None


def test_tokens_that_were_added_are_saved(tiny_folder, tmp_path):
    bert = bertutil.load(tiny_folder)
    bert.tokenizer.add_tokens(["<user>"])
    bert.model.resize_token_embeddings(len(bert.tokenizer))
    bertutil.save(bert, tmp_path / "saved")
    text = ["ask <user> at the bank"]
    again = bertutil.load(tmp_path / "saved")
    np.testing.assert_allclose(bertutil.embed(again, text), bertutil.embed(bert, text), atol=1e-6)


@pytest.mark.parametrize(
    "recipe",
    [
        bertutil.SentenceRecipe("second_to_last", specials=True),
        bertutil.SentenceRecipe("last", specials=False),
        bertutil.SentenceRecipe("last", "first", specials=True),
        bertutil.SentenceRecipe("sum_last_4", specials=True),
        bertutil.SentenceRecipe(normalize=True),
    ],
)
def test_a_recipe_that_no_folder_can_name_is_refused_before_anything_is_written(tiny, tmp_path, recipe):
    with pytest.raises(ValueError, match=r"no words for that.*dataclasses\.replace"):
        bertutil.save(dataclasses.replace(tiny, sentence=recipe), tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_folder_with_files_is_refused_and_stays(tiny, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there already"):
        bertutil.save(tiny, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_of_that_name_is_refused_and_stays(tiny, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there already"):
        bertutil.save(tiny, tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def hook(bert):
    bert.model.encoder.layer[1].register_forward_hook(lambda layer, given, output: 2 * output)


def other_activation(bert):
    for layer in bert.model.encoder.layer:
        layer.intermediate.intermediate_act_fn = nn.ReLU()


def fewer_layers(bert):
    bert.model.encoder.layer = bert.model.encoder.layer[:2]


def other_words(bert):
    bert.tokenizer.backend_tokenizer.normalizer.lowercase = False


@pytest.mark.parametrize("edit", [hook, other_activation, fewer_layers, other_words])
def test_an_edit_that_no_file_holds_is_refused_and_leaves_no_folder(tiny_folder, tmp_path, edit):
    bert = bertutil.load(tiny_folder)
    edit(bert)
    with pytest.raises(ValueError):  # noqa: PT011 (some of them are refused by load())
        bertutil.save(bert, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_model_in_training_mode_is_refused(tiny_folder, tmp_path):
    bert = bertutil.load(tiny_folder)
    bert.model.train()
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        bertutil.save(bert, tmp_path / "saved")


def test_a_disk_that_is_full_leaves_no_folder(tiny, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tiny.model), "save_pretrained", full)
    with pytest.raises(OSError, match="No space"):
        bertutil.save(tiny, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_nothing_is_shown_while_it_is_saved(tiny, tmp_path, capfd):
    bertutil.save(tiny, tmp_path / "saved")
    assert capfd.readouterr() == ("", "")


# --- The data of chapter 12, its measures, and its command ---


def test_no_text_that_is_trained_on_answers_a_query_that_is_reported(bert):
    texts = tuning.help_texts()
    reported = {texts[id] for query in datasets.help_queries("report") for id in query.relevant}
    trained = {text for pair in tuning.query_pairs() for text in pair}
    titles = {f"{title}. {text}" for title, text in tuning.title_pairs()}
    negatives = {wrong for *_, wrong in tuning.with_hard_negatives(bert, tuning.query_pairs())}
    assert not reported & trained
    assert not reported & titles
    assert not reported & negatives
    assert {query.query for query in datasets.help_queries("report")}.isdisjoint(trained)


def test_all_titles_are_those_of_both_halves():
    assert len(tuning.title_pairs("all")) == 160
    assert len(tuning.title_pairs()) == 80
    assert set(tuning.title_pairs()) < set(tuning.title_pairs("all"))


def test_a_query_with_two_answers_makes_two_pairs():
    queries = [query for query, _ in tuning.query_pairs()]
    several = [query for query in datasets.help_queries("choose") if len(query.relevant) > 1]
    assert several
    assert all(queries.count(query.query) == len(query.relevant) for query in several)


def test_a_hard_negative_is_no_right_text_and_for_a_code_it_is_mostly_another_code(bert):
    pairs = tuning.query_pairs()
    triples = tuning.with_hard_negatives(bert, pairs)
    assert [triple[:2] for triple in triples] == pairs
    assert not any((query, wrong) in pairs for query, _, wrong in triples)
    codes = {query.query for query in datasets.help_queries("choose") if query.kind == "code"}
    kinds = [(text.split()[0], wrong.split()[0]) for query, text, wrong in triples if query in codes]
    assert sum(one == other for one, other in kinds) > 0.6 * len(kinds)


def test_shuffled_pairs_have_the_same_texts_and_no_query_keeps_its_own():
    pairs = [(f"query {i}", f"text {i}") for i in range(20)]
    for seed in range(3):
        found = tuning.shuffled(pairs, seed)
        assert [query for query, _ in found] == [query for query, _ in pairs]
        assert sorted(text for _, text in found) == sorted(text for _, text in pairs)
        assert not set(found) & set(pairs)
    assert tuning.shuffled(pairs, 1) != tuning.shuffled(pairs, 2)


def test_drawn_pairs_are_some_of_them_and_others_with_another_seed():
    pairs = [(f"query {i}", f"text {i}") for i in range(20)]
    one, other = tuning.drawn(pairs, 5, seed=0), tuning.drawn(pairs, 5, seed=1)
    assert len(set(one)) == 5
    assert set(one) <= set(pairs)
    assert set(one) != set(other)


def test_the_best_of_several_right_texts_counts():
    scores = torch.tensor([[0.1, 0.9, 0.5, 0.7], [0.4, 0.3, 0.2, 0.1]])
    assert tuning.reciprocal_ranks(scores, [[0, 3], [2]]).tolist() == pytest.approx([1 / 2, 1 / 3])


def test_a_plain_mean_counts_each_kind_alike():
    kinds = np.array(["code", "code", "code", "long", ""])
    assert tuning.plain_mean(np.array([1, 1, 1, 0, 9]), kinds) == 0.5


def test_the_default_checkpoint_reaches_what_chapter_9_found(bert):
    found = tuning.measure(bert)
    assert tuning.plain_mean(found.help, tuning.of_kinds("all")) == pytest.approx(0.740, abs=0.002)
    assert tuning.plain_mean(found.help, tuning.of_kinds("report")) == pytest.approx(0.792, abs=0.002)
    assert found.questions.mean() == pytest.approx(0.725, abs=0.002)
    assert found.pairs == pytest.approx(0.796, abs=0.002)


SMALL = {
    "titles": tool.Variant(2, lambda bert, seed: tuning.drawn(tuning.title_pairs(), 6, seed)),
    "hard negatives": tool.Variant(
        1, lambda bert, seed: tuning.with_hard_negatives(bert, tuning.query_pairs()[:6]), {"epochs": 1}
    ),
}


@pytest.fixture
def stored(tiny_folder, tmp_path, monkeypatch):
    """The file that the command writes for a tiny checkpoint, and how it is called."""
    monkeypatch.setattr(tool, "VARIANTS", SMALL)
    arguments = ["--model", str(tiny_folder), "--into", str(tmp_path)]
    assert tool.main(arguments) == 0
    (file,) = tmp_path.iterdir()
    return file, arguments


def test_the_command_stores_a_run_for_each_variant_and_seed_and_the_chapter_finds_them(
    stored, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(tuning, "files", lambda name: tmp_path)
    found = tuning.stored(tiny)
    assert {name: len(runs) for name, runs in found.items()} == {"titles": 2, "hard negatives": 1}
    assert len(found["titles"][0].help) == 120
    expected = tuning.measure(train_vectors(tiny, SMALL["titles"].pairs(tiny, 1), seed=1, learning_rate=3e-5))
    np.testing.assert_allclose(found["titles"][1].help, expected.help, atol=1e-4)
    assert found["titles"][1].senses == pytest.approx(expected.senses, abs=1e-4)


def test_runs_of_another_checkpoint_are_not_taken(stored, bert, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "files", lambda name: tmp_path)
    assert tuning.stored(bert) == {}


def test_the_command_goes_on_where_it_stopped_and_begins_anew_when_asked(stored, capsys):
    file, arguments = stored
    record = json.loads(file.read_text())
    last = record["runs"]["titles"].pop()
    file.write_text(json.dumps(record))
    capsys.readouterr()
    tool.main(arguments)
    assert capsys.readouterr().out.splitlines()[:-1] == ["titles, seed 1"]
    assert json.loads(file.read_text())["runs"]["titles"][1] == last
    tool.main([*arguments, "--again"])
    assert capsys.readouterr().out.splitlines()[:-1] == ["titles, seed 0", "hard negatives, seed 0", "titles, seed 1"]


def test_a_plain_bert_with_a_recipe_that_cuts_nothing_is_saved(tiny, tmp_path):
    recipe = dataclasses.replace(tiny.sentence, strategy="last", specials=True, normalize=True)
    assert recipe.length is None
    bertutil.save(dataclasses.replace(tiny, sentence=recipe), tmp_path / "new")
    again = bertutil.load(tmp_path / "new")
    texts = ["one", "some more words"]
    np.testing.assert_allclose(
        bertutil.embed(again, texts), bertutil.embed(dataclasses.replace(tiny, sentence=recipe), texts), atol=1e-5
    )
