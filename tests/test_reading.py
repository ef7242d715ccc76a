"""A zoo of what people bring: tiny folders through load, encode and embed. Each is read as it says, or refused.

Sources of the kinds: reports about transformers, sentence-transformers and published checkpoints (the number of the
report stands beside a test).
"""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForTokenClassification,
    BertModel,
    BertTokenizer,
)

import bertutil
from bertutil import checkpoints

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SMALL = [*SPECIALS, *LETTERS, *(f"##{c}" for c in LETTERS), *".,!?'-", "the", "bank", "river"]
CASED = [*SMALL, *LETTERS.upper(), *(f"##{c}" for c in LETTERS.upper()), "The", "Bank", "é"]
TEXTS = ["The bank, the river bank.", "river", "a bank of the river!"]


@pytest.fixture
def make(tmp_path):
    """A maker of folders: a vocabulary in vocab.txt, tokenizer settings, a class of model, and its configuration."""

    def folder(vocabulary=SMALL, tokenizer=None, kind=BertModel, rows=0, **config):
        sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
        torch.manual_seed(0)
        model = kind(BertConfig(**{"vocab_size": len(vocabulary) + rows, "initializer_range": 0.3} | sizes | config))
        model.save_pretrained(tmp_path)
        (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
        if tokenizer is not None:
            (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
        return tmp_path

    return folder


def edit(file, **values):
    """Change values of a JSON file; None takes one out."""
    kept = json.loads(file.read_text(encoding="utf-8")) | values
    file.write_text(json.dumps({key: value for key, value in kept.items() if value is not None}), encoding="utf-8")


def edit_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    save_file(change(weights), folder / "model.safetensors", metadata={"format": "pt"})


def is_right(folder, texts=TEXTS):
    """The folder's vectors are what transformers' own tokenizer and model give."""
    bert = bertutil.load(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, config=BertConfig())
    encoding = bertutil.encode(bert, texts)
    for ids, mask, text in zip(encoding.input_ids, encoding.attention_mask, texts, strict=True):
        assert ids[mask.bool()].tolist() == tokenizer(text).input_ids
    config = BertConfig.from_pretrained(folder, output_attentions=False)
    with torch.no_grad():
        states = [
            BertModel.from_pretrained(folder, config=config)(**tokenizer(text, return_tensors="pt")).last_hidden_state
            for text in texts
        ]
    expected = torch.cat([state.mean(dim=1) for state in states]).numpy()
    found = bertutil.embed(bert, texts, strategy="last", specials=True, how="mean")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    every = bertutil.hidden_states(bert, encoding)
    assert every.shape[2] == bert.n_layers + 1
    np.testing.assert_allclose(every[0, : states[0].shape[1], -1], states[0][0], atol=1e-5)


# Read as they are


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"num_hidden_layers": 1},
        {"num_hidden_layers": 2},
        {"max_position_embeddings": 64},
        {"max_position_embeddings": 1024},
        {"type_vocab_size": 16},
        {"rows": 7},  # an embedding table padded to a multiple of 8: indonlu 33, DeepLearningExamples 1275
        {"hidden_act": "relu"},
        {"hidden_act": "gelu_new"},
        {"layer_norm_eps": 1e-5},
        {"kind": BertForPreTraining},
        {"kind": BertForTokenClassification},
        {"kind": BertForQuestionAnswering},
    ],
    ids=str,
)
def test_a_bert_of_any_size_and_with_any_head_gives_its_own_vectors(make, config):
    is_right(make(**config))


@pytest.mark.parametrize(
    "values",
    [
        {"model_type": None},  # of 2019: FinBERT 13, ERNIE-Pytorch 41
        {"model_type": None, "architectures": None},
        {"output_attentions": True},  # transformers 38750
        {"output_hidden_states": True, "return_dict": False},
        {"dtype": "junk", "torch_dtype": "junk"},
        {"chunk_size_feed_forward": 4},
        {"position_embedding_type": "absolute"},
        {"is_decoder": False, "gradient_checkpointing": False, "something": "new"},
    ],
    ids=str,
)
def test_a_configuration_with_values_that_change_no_vector_is_read(make, values):
    folder = make()
    edit(folder / "config.json", **values)
    expected = bertutil.embed(bertutil.load(make()), TEXTS)
    edit(folder / "config.json", **values)
    bert = bertutil.load(folder)
    np.testing.assert_array_equal(bertutil.embed(bert, TEXTS), expected)
    assert bertutil.hidden_states(bert, bertutil.encode(bert, TEXTS)).isfinite().all()


def test_the_names_of_the_weights_of_2019_are_read(make):
    old = {".LayerNorm.weight": ".LayerNorm.gamma", ".LayerNorm.bias": ".LayerNorm.beta"}
    folder = make()
    expected = bertutil.embed(bertutil.load(folder), TEXTS)
    weights = load_file(folder / "model.safetensors")
    for new, name in old.items():
        weights = {key.replace(new, name): value for key, value in weights.items()}
    weights = {f"bert.{key}": value for key, value in weights.items()}
    torch.save(weights | {"cls.seq_relationship.bias": torch.zeros(2)}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    np.testing.assert_array_equal(bertutil.embed(bertutil.load(folder), TEXTS), expected)


def test_weights_in_several_files_are_read(make):
    folder = make()
    expected = bertutil.embed(bertutil.load(folder), TEXTS)
    BertModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="20KB")
    (folder / "model.safetensors").unlink()
    np.testing.assert_array_equal(bertutil.embed(bertutil.load(folder), TEXTS), expected)
    sorted(folder.glob("model-*.safetensors"))[0].unlink()
    with pytest.raises(ValueError, match="no weights could be read"):
        bertutil.load(folder)


# A configuration that is refused, with what it says


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"hidden_act": "junk"}, "no weights could be read.*junk"),
        ({"num_attention_heads": 0}, "num_attention_heads in its config.json is 0"),
        ({"num_attention_heads": 5}, "no weights could be read.*multiple of the number of attention"),
        ({"num_hidden_layers": "3"}, "num_hidden_layers in its config.json is '3'"),
        ({"num_hidden_layers": -1}, "num_hidden_layers in its config.json is -1"),
        ({"num_hidden_layers": 3.0}, "num_hidden_layers in its config.json is 3.0"),
        ({"type_vocab_size": True}, "type_vocab_size in its config.json is True"),
        ({"hidden_size": [32]}, "hidden_size in its config.json is"),
        ({"layer_norm_eps": "1e-12"}, "layer_norm_eps in its config.json is '1e-12'"),
        ({"layer_norm_eps": -1.0}, "layer_norm_eps in its config.json is -1.0"),
        ({"hidden_dropout_prob": "0.1"}, "no weights could be read.*hidden_dropout_prob"),
        ({"pad_token_id": 99_999}, "no weights could be read.*adding_idx"),
        ({"vocab_size": 20}, "other shapes than its config.json says"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantized weights"),
        ({"position_embedding_type": "relative_key"}, "positions of the type 'relative_key'"),
        ({"is_decoder": True}, "is a decoder .'is_decoder'"),
        ({"add_cross_attention": True}, "is a decoder .'add_cross_attention'"),
        ({"model_type": "roberta"}, "of type 'roberta'"),
        ({"model_type": None, "architectures": ["RobertaModel"]}, "RobertaModel"),
        ({"auto_map": {"AutoModel": "own.Model"}}, "needs code of its own"),
        ({"num_hidden_layers": 2}, "hold 16 more .*encoder.layer.2"),
        ({"num_hidden_layers": 4}, "missing are"),
    ],
    ids=str,
)
def test_a_configuration_that_is_no_bert_is_refused_with_what_it_says(make, values, found):
    folder = make()
    edit(folder / "config.json", **values)
    with pytest.raises(ValueError, match=rf"(?s)^{folder}.*{found}"):
        bertutil.load(folder)


def test_a_configuration_that_cannot_be_read_is_named(make):
    config = make() / "config.json"
    config.unlink()
    config.symlink_to("config.json")
    with pytest.raises(ValueError, match=r"config\.json cannot be read"):
        bertutil.load(config.parent)
    config.unlink()
    config.mkdir()
    with pytest.raises(ValueError, match=r"config\.json cannot be read"):
        bertutil.load(config.parent)


def test_an_adapter_beside_the_weights_is_refused(make):
    folder = make()
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="comes with an adapter"):
        bertutil.load(folder)


# Weights


def test_an_embedding_table_that_is_too_short_for_the_ids_is_refused(make):
    with pytest.raises(ValueError, match="knows 66 tokens, with ids up to 65, and the model has 65 vectors"):
        bertutil.load(make(rows=-1))


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layer.0.attention.self.distance_embedding.weight",  # transformers 41170
        "encoder.layer.1.crossattention.self.key.weight",
        "encoder.layer.2.attention.self.query.lora_A.weight",
        "embeddings.extra.weight",
        "adapter.weight",
    ],
)
def test_weights_that_the_model_has_no_place_for_are_refused_by_name(make, name):
    folder = make()
    edit_weights(folder, lambda weights: weights | {name: torch.ones(4, 8)})
    with pytest.raises(ValueError, match=f"hold 1 more than the BertModel .*{name}"):
        bertutil.load(folder)


def test_heads_and_leftovers_are_no_obstacle(make):
    folder = make()
    leftovers = {"embeddings.position_ids": torch.arange(512)[None], "classifier.weight": torch.ones(2, 32)}
    edit_weights(folder, lambda weights: weights | leftovers | {"cls.predictions.bias": torch.ones(3)})
    is_right(folder)


def test_a_missing_weight_is_refused_and_a_missing_pooler_is_not(make):
    folder = make()
    edit_weights(folder, lambda weights: {k: v for k, v in weights.items() if not k.startswith("pooler.")})
    assert bertutil.load(folder).model.pooler is None
    edit_weights(folder, lambda weights: {k: v for k, v in weights.items() if "layer.1.output.dense" not in k})
    with pytest.raises(ValueError, match=r"missing are \['encoder\.layer\.1\.output\.dense"):
        bertutil.load(folder)


def test_weights_that_are_no_numbers_are_refused(make):
    folder = make()
    edit_weights(folder, lambda weights: weights | {"pooler.dense.bias": torch.full((32,), torch.nan)})
    with pytest.raises(ValueError, match="NaN"):
        bertutil.load(folder)


@pytest.mark.parametrize("content", [b"", b"PK\3\4junk", b"version https://git-lfs.github.com/spec/v1\n"])
def test_files_that_hold_no_weights_are_refused(make, content):
    folder = make()
    (folder / "model.safetensors").unlink()
    for file in ("pytorch_model.bin", "model.safetensors"):
        (folder / file).write_bytes(content)
        with pytest.raises(ValueError, match=rf"(?s)^{folder}: no weights could be read.*download the folder again"):
            bertutil.load(folder)


# Tokenizers that are kept


def tokens(folder, text):
    return bertutil.encode(bertutil.load(folder), text).tokens[0][1:-1]


def spell(word):
    """A word that is in no small vocabulary: its letters."""
    return [word[0], *(f"##{c}" for c in word[1:])]


@pytest.mark.parametrize("settings", [{"do_lower_case": False}, {}, None], ids=str)
def test_a_cased_vocabulary_is_cased_whether_or_not_its_folder_says_so(make, settings):
    # transformers 343, biobert-pytorch 24, clinicalBERT 26
    assert tokens(make(CASED, settings), "The Bank THE") == ["The", "Bank", *spell("THE")]


def test_a_cased_vocabulary_that_is_said_to_be_lower_case_is_read_so(make):
    assert tokens(make(CASED, {"do_lower_case": True}), "The Bank") == ["the", "bank"]


def test_a_vocabulary_with_few_capitals_needs_to_say_what_it_is(make):
    words = [*SMALL, *(a + b for a in LETTERS for b in LETTERS), "Zug"]
    with pytest.raises(ValueError, match=r"has 'Zug': write .\"do_lower_case\": false. into its tokenizer_config"):
        bertutil.load(make(words))
    assert tokens(make(words, {"do_lower_case": True}), "Zug") == ["zu", "##g"]
    assert tokens(make(words, {"do_lower_case": False}), "Zug") == ["Zug"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, "e"), ({"strip_accents": False}, "[UNK]"), ({"strip_accents": True, "do_lower_case": False}, "e")],
    ids=str,
)
def test_accents_are_treated_as_the_folder_says(make, settings, expected):
    folder = make(SMALL, settings)
    assert tokens(folder, "é") == [expected]
    is_right(folder, ["the bank é"])


def test_a_chinese_vocabulary_is_read(make):
    folder = make([*SPECIALS, *"银行河岸东京,。", *["##a", "##b", "a", "b"]])
    assert tokens(folder, "银行 河岸。") == ["银", "行", "河", "岸", "。"]
    is_right(folder, ["银行 河岸。", "a 银 b"])


def test_names_of_the_tokenizer_of_the_same_kind_are_read(make):
    for kind in ("BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "ElectraTokenizerFast"):
        assert tokens(make(SMALL, {"tokenizer_class": kind}), "The bank") == ["the", "bank"]


def in_tokenizer_json(folder, **parts):
    """Give the folder a tokenizer.json of its own, and a class that leaves everything to it."""
    vocabulary = {token: i for i, token in enumerate((folder / "vocab.txt").read_text("utf-8").split("\n")[:-1])}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for name, part in parts.items():
        setattr(own, name, part)
    own.save(str(folder / "tokenizer.json"))
    edit(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", do_lower_case=None)
    return folder


def test_a_normalizer_of_the_folders_own_is_kept(make):
    own = normalizers.Sequence([normalizers.NFKC(), normalizers.BertNormalizer(lowercase=False)])
    folder = in_tokenizer_json(make(CASED), normalizer=own)
    assert tokens(folder, "The ﬁ Bank") == ["The", "f", "##i", "Bank"]
    is_right(folder, ["The Bank, ﬁ the."])


def test_what_tokenizer_json_says_of_case_is_kept_and_a_contradiction_refused(make):
    folder = in_tokenizer_json(make(CASED), normalizer=normalizers.BertNormalizer(lowercase=False))
    edit(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    assert tokens(folder, "The") == ["The"]
    edit(folder / "tokenizer_config.json", do_lower_case=True)
    with pytest.raises(ValueError, match=r"makes .* of .*, and bertutil .*: its tokenizer\.json has settings"):
        bertutil.load(folder)


def test_tokens_that_were_added_are_what_they_are_for_transformers(make):
    folder = make(rows=2)
    tokenizer = BertTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["covid-19", "qux"])
    tokenizer.save_pretrained(folder)
    (folder / "vocab.txt").unlink()
    assert len(bertutil.load(folder).tokenizer) == len(SMALL) + 2
    is_right(folder, ["the qux bank", "a covid-19 river"])


def test_a_token_that_was_added_without_a_vector_is_refused_by_name_until_there_is_one(make):
    bert = bertutil.load(make())
    bert.tokenizer.add_tokens(["covid"])
    assert bertutil.encode(bert, "the covid bank").tokens == [["[CLS]", "the", "covid", "bank", "[SEP]"]]
    for attempt in (
        lambda: bertutil.embed(bert, "the covid bank"),
        lambda: bertutil.hidden_states(bert, bertutil.encode(bert, "the covid bank")),
    ):
        with pytest.raises(ValueError, match=r"the token 'covid', with the id \d+.*resize_token_embeddings"):
            attempt()
    bert.model.resize_token_embeddings(len(bert.tokenizer), mean_resizing=False)
    assert np.isfinite(bertutil.embed(bert, "the covid bank")).all()


def test_padding_and_truncation_of_the_author_are_put_aside(make):
    folder = in_tokenizer_json(make())
    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    own.enable_padding(length=16)
    own.enable_truncation(4)
    own.save(str(folder / "tokenizer.json"))
    assert tokens(folder, "the bank the bank the bank") == ["the", "bank"] * 3


# Tokenizers that are refused by name


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}, "BertJapaneseTokenizer"),
        ({"tokenizer_class": "AlbertTokenizer"}, "AlbertTokenizer"),
        ({"tokenizer_class": "XLMRobertaTokenizerFast"}, "XLMRobertaTokenizerFast"),
        ({"tokenizer_class": "OwnTokenizer"}, "OwnTokenizer"),
        ({"auto_map": {"AutoTokenizer": [None, "own.Tokenizer"]}}, "auto_map"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize"),
        ({"never_split": ["a-b"]}, "never_split"),
    ],
    ids=str,
)
def test_a_tokenizer_of_another_class_is_refused_by_its_name(make, settings, found):
    with pytest.raises(ValueError, match=f"the tokenizer in .* is a .*{found}.*AutoTokenizer"):
        bertutil.load(make(SMALL, settings))


def test_the_class_may_stand_in_config_json(make):  # cl-tohoku/bert-japanese 24
    folder = make()
    edit(folder / "config.json", tokenizer_class="BertJapaneseTokenizer")
    with pytest.raises(ValueError, match="BertJapaneseTokenizer"):
        bertutil.load(folder)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (models.Unigram([(token, -1.0) for token in SMALL], unk_id=1), "Unigram"),  # sentence-transformers 1010
        (models.BPE({token: i for i, token in enumerate(SMALL)}, []), "BPE"),
        (models.WordLevel({token: i for i, token in enumerate(SMALL)}, "[UNK]"), "WordLevel"),
    ],
    ids=["Unigram", "BPE", "WordLevel"],
)
def test_pieces_of_another_kind_are_refused_by_its_name(make, model, kind):
    folder = in_tokenizer_json(make(), model=model)
    with pytest.raises(ValueError, match=f"is of the kind {kind}; bertutil reads WordPiece"):
        bertutil.load(folder)


def test_a_folder_with_a_sentencepiece_file_only_has_no_tokenizer_for_us(make):
    folder = make()
    (folder / "vocab.txt").rename(folder / "spiece.model")
    with pytest.raises(ValueError, match=r"neither tokenizer\.json nor vocab\.txt"):
        bertutil.load(folder)


@pytest.mark.parametrize(
    "parts",
    [
        {"pre_tokenizer": pre_tokenizers.WhitespaceSplit()},
        {"pre_tokenizer": pre_tokenizers.Metaspace()},
        {"normalizer": normalizers.NFKC()},  # ideographs that touch are one word to it, many to us
        {"normalizer": normalizers.Sequence([normalizers.Lowercase(), normalizers.Prepend("a")])},
        {"post_processor": None},
    ],
    ids=str,
)
def test_settings_that_our_words_would_lose_are_refused_with_a_text_that_shows_it(make, parts):
    with pytest.raises(ValueError, match=r"makes .* of .*, and bertutil .*: its tokenizer\.json has settings"):
        bertutil.load(in_tokenizer_json(make(), **parts))


def test_settings_that_berts_class_would_lose_are_refused(make):
    folder = in_tokenizer_json(make())
    edit(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer", do_lower_case=True)
    own = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    for part in ({"model": own["model"] | {"max_input_chars_per_word": 20}}, {"normalizer": {"type": "NFKC"}}):
        (folder / "tokenizer.json").write_text(json.dumps(own | part))
        with pytest.raises(ValueError, match="that a BertTokenizer has not"):
            bertutil.load(folder)


def test_two_vocabularies_in_one_folder_are_refused(make):
    folder = in_tokenizer_json(make())
    (folder / "vocab.txt").write_text("\n".join([*SMALL[:-2], "river", "bank"]) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"another vocabulary in tokenizer\.json than in the vocab\.txt"):
        bertutil.load(folder)


@pytest.mark.parametrize("token", ["[CLS]", "[SEP]", "[PAD]", "[UNK]"])
def test_a_vocabulary_without_a_special_token_is_refused(make, token):
    vocabulary = [each for each in SMALL if each != token]
    with pytest.raises(ValueError, match=rf"has no \{token[:-1]}\] in its vocabulary"):
        bertutil.load(make(vocabulary, rows=8))


def test_settings_of_the_tokenizer_that_cannot_be_read_are_named(make):
    folder = make()
    for text in ("{", "[]"):
        (folder / "tokenizer_config.json").write_text(text)
        with pytest.raises(ValueError, match=r"tokenizer_config\.json (cannot be read as JSON|holds no settings)"):
            bertutil.load(folder)
    (folder / "tokenizer_config.json").unlink()
    (folder / "vocab.txt").write_bytes("[PAD]\ncafé\n".encode("latin-1"))
    with pytest.raises(ValueError, match="no tokenizer could be read"):
        bertutil.load(folder)


# Folders that sentence-transformers wrote


LONG = [*TEXTS, "the river, the bank! " * 3, ""]


@pytest.fixture
def library():
    return pytest.importorskip("sentence_transformers")


def written_by(library, folder, pooling, normalize=False, more=(), **options):
    """The library's model on top of a folder, and the folder that it writes."""
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    transformer = modules.Transformer(str(folder))
    parts = [transformer, modules.Pooling(32, pooling), *more, *[modules.Normalize()] * normalize]
    model = library.SentenceTransformer(modules=parts, device="cpu", **options)
    model.save(str(folder / "written"))
    return model, folder / "written"


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "normalize"])
@pytest.mark.parametrize(
    "pooling", ["mean", "cls", "max", "lasttoken", ["mean", "max"], "mean_sqrt_len_tokens"], ids=str
)
def test_a_folder_of_sentence_transformers_gives_that_librarys_vectors(make, library, pooling, normalize):
    # vllm 9388, sentence-transformers 153 and 318
    model, folder = written_by(library, make(max_position_embeddings=40), pooling, normalize)
    if pooling == "mean_sqrt_len_tokens" and not normalize:
        with pytest.raises(ValueError, match="the pooling mean_sqrt_len_tokens, which bertutil cannot"):
            bertutil.load(folder)
        return
    bert = bertutil.load(folder)
    assert (bert.sentence.strategy, bert.sentence.specials, bert.sentence.length) == ("last", True, 40)
    assert bert.sentence.normalize == normalize
    expected = model.encode(LONG)
    np.testing.assert_allclose(bertutil.embed(bert, LONG, normalize=normalize), expected, atol=2e-6)


def test_the_length_is_that_of_the_folder_and_texts_up_to_it_agree(make, library):
    folder = make()
    model = library.SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = 8
    model.save(str(folder / "written"))
    bert = bertutil.load(folder / "written")
    assert bert.sentence == bertutil.checkpoints.SentenceRecipe("last", "mean", True, False, 8)
    short, long = ["the bank the bank", "the bank " * 5]
    assert np.abs(bertutil.embed(bert, [short]) - model.encode([short])).max() < 2e-6
    assert np.abs(bertutil.embed(bert, [long]) - model.encode([long])).max() > 1e-3  # nothing is cut in silence


def old_layout(folder, pooling=None, settings=None, kinds=("Transformer", "Pooling"), inner="0_Transformer"):
    """A folder as the library wrote it until 2021: the model in a folder of its own, and poolings as yes and no."""
    files = [file for file in folder.iterdir() if file.is_file()]
    (folder / inner).mkdir()
    for file in files:
        file.rename(folder / inner / file.name)
    (folder / "1_Pooling").mkdir()
    values = {"word_embedding_dimension": 32, **(pooling or {"pooling_mode_mean_tokens": True})}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(values))
    (folder / inner / "sentence_bert_config.json").write_text(json.dumps(settings or {"max_seq_length": 128}))
    paths = [inner, "1_Pooling", *(f"{i}_{kind}" for i, kind in enumerate(kinds[2:], 2))]
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{k}"} for path, k in zip(paths, kinds, strict=True)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "config.json").write_text('{"__version__": "0.2.0"}')
    return folder


def test_the_layout_of_2019_with_the_model_in_a_folder_of_its_own_is_read(make):
    plain = bertutil.load(make())
    expected = bertutil.embed(plain, TEXTS, strategy="last", specials=True, how="cls")
    bert = bertutil.load(old_layout(make(), {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    assert (bert.sentence.how, bert.sentence.length) == ("cls", 128)
    np.testing.assert_array_equal(bertutil.embed(bert, TEXTS), expected)


@pytest.mark.parametrize(
    ("kinds", "pooling", "settings", "found"),
    [
        (("Transformer", "Pooling", "Dense"), None, None, "the modules Transformer, Pooling, Dense"),
        (("Transformer", "WeightedLayerPooling", "Pooling"), None, None, "WeightedLayerPooling"),
        (("Transformer", "Pooling", "Normalize", "Dense"), None, None, "Normalize, Dense"),
        (("Transformer", "Pooling", "LSTM"), None, None, "LSTM"),
        (None, {"pooling_mode_weightedmean_tokens": True}, None, "the pooling weightedmean"),
        (None, {"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True}, None, "the pooling max, mean"),
        (None, {"pooling_mode": 5}, None, "settings that cannot be read"),
        (None, None, {"modality_config": {"text": {"method_output_name": "logits"}}}, "logits, another output"),
    ],
    ids=str,
)
def test_what_we_cannot_do_of_sentence_transformers_is_refused_by_name(make, kinds, pooling, settings, found):
    folder = old_layout(make(), pooling, settings, kinds or ("Transformer", "Pooling"))
    with pytest.raises(
        ValueError, match=f"{folder}: sentence-transformers makes .* with .*{found}.*, which bertutil cannot"
    ):
        bertutil.load(folder)


def test_prompts_are_refused_by_name_and_empty_ones_are_none(make):
    folder = old_layout(make())
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "", "document": ""}}')
    bertutil.load(folder)
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "query: ", "document": ""}}')
    with pytest.raises(ValueError, match=r"prompts before the texts \(query\)"):
        bertutil.load(folder)


def test_lower_case_that_the_tokenizer_does_not_make_is_refused(make):
    folder = old_layout(make(CASED, {"do_lower_case": False}), settings={"do_lower_case": True})
    with pytest.raises(ValueError, match="wants all lower case"):
        bertutil.load(folder)


@pytest.mark.parametrize("text", ["{", "{}", "[5]", '[{"path": ""}]', '[{"type": "a.Transformer", "path": "../x"}]'])
def test_modules_that_cannot_be_read_are_named(make, text):
    folder = make()
    (folder / "modules.json").write_text(text)
    with pytest.raises(ValueError, match=r"modules\.json"):
        bertutil.load(folder)


def test_minilm_and_its_folder_give_equal_vectors(bert):
    folder = bert.model.name_or_path
    other = bertutil.load(folder)
    assert (other.name, other.sentence) == (folder, bert.sentence)
    np.testing.assert_array_equal(bertutil.embed(other, TEXTS), bertutil.embed(bert, TEXTS))


def test_a_trained_copy_keeps_the_recipe(make):
    from bertutil.fine_tuning import trainable_copy

    bert = bertutil.load(old_layout(make()))
    assert trainable_copy(bert).sentence == bert.sentence


# From the hub, laid out on disk


@pytest.fixture
def hub(tmp_path_factory, monkeypatch):
    """A hub's cache that holds folders under a name; what was asked of the hub."""
    cache, asked = tmp_path_factory.mktemp("hub"), []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    own = checkpoints.hf_hub_download

    def download(hub_id, file, **options):
        asked.append(file)
        return own(hub_id, file, **options)

    monkeypatch.setattr(checkpoints, "hf_hub_download", download)

    def keep(folder, hub_id):
        repository = cache / f"models--{hub_id.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("1" * 40)
        shutil.copytree(folder, repository / "snapshots" / ("1" * 40))
        return asked

    return keep


def test_the_hubs_folder_and_the_same_folder_by_path_are_equal(make, hub):
    folder = old_layout(make())
    BertModel.from_pretrained(folder / "0_Transformer").save_pretrained(
        folder / "0_Transformer", max_shard_size="20KB"
    )
    (folder / "0_Transformer" / "model.safetensors").unlink()
    asked = hub(folder, "owner/name")
    one, two = bertutil.load("owner/name"), bertutil.load(folder)
    assert one.sentence == two.sentence
    np.testing.assert_array_equal(bertutil.embed(one, TEXTS), bertutil.embed(two, TEXTS))
    needed = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert needed <= set(asked)
    assert {f"0_Transformer/{name}" for name in ("added_tokens.json", "special_tokens_map.json")} <= set(asked)


def test_a_plain_bert_on_the_hub_is_asked_for_what_loading_needs(make, hub):
    folder = make(SMALL, {"do_lower_case": True})
    asked = hub(folder, "owner/plain")
    assert bertutil.load("owner/plain").sentence == checkpoints.PLAIN
    assert {"config.json", "modules.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json"} <= set(asked)
    assert {"added_tokens.json", "special_tokens_map.json", "model.safetensors"} <= set(asked)
    assert "pytorch_model.bin" not in asked


def test_shards_of_a_pytorch_file_are_asked_for(make, hub):
    folder = make()
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    for i, part in enumerate((names[:9], names[9:])):
        torch.save({key: weights[key] for key in part}, folder / f"pytorch_model-{i}.bin")
    places = {key: f"pytorch_model-{int(key in names[9:])}.bin" for key in names}
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    asked = hub(folder, "owner/bins")
    assert bertutil.load("owner/bins").n_layers == 3
    assert {"pytorch_model-0.bin", "pytorch_model-1.bin"} <= set(asked)
