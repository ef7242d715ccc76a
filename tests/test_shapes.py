"""The shapes in the signatures hold at run time: the whole way from text to search under jaxtyping's checks."""

import subprocess
import sys

CODE = """
from jaxtyping import TypeCheckError, install_import_hook

with install_import_hook("bertutil", "beartype.beartype"):
    import bertutil, torch
    from bertutil import encoding, layers, packed, pooling, similarity

bert = bertutil.load({folder!r})
for texts, options in [
    ("one text", {{}}),
    (["two texts", "of different length, [SEP] and \\u200b"], {{"typed_specials": "parse"}}),
    ([["given", "words"], []], {{}}),
    ([], {{}}),
    (["word " * 700, "b"], {{"too_long": "window"}}),
    (["word " * 700, "b"], {{"too_long": "truncate"}}),
]:
    encoded = bertutil.encode(bert, texts, **options)
    states = bertutil.hidden_states(bert, encoded)
    assert bertutil.attentions(bert, encoded, [0]).ndim == 5
    for strategy in bertutil.STRATEGIES:
        weights = torch.ones(4) if strategy == "weighted" else None
        vectors = bertutil.combine_layers(states, strategy, weights=weights)
        for how in ("mean", "sum", "first", "last", "max"):
            words = bertutil.pool_words(vectors, encoded, how)
        for how in ("mean", "max", "cls", "mean_max", "first", "last"):
            sentences = bertutil.pool_sentences(vectors, encoded.attention_mask, how)
    for unit in ("sentence", "word", "token"):
        if texts and "" not in texts and [] not in texts:
            bertutil.embed(bert, texts, unit=unit, strategy="each")
    if len(sentences) > 1:
        bertutil.cosine_similarity(sentences)
        bertutil.search(sentences, sentences, k=1)
        bertutil.remove_mean(words)
        bertutil.random_pair_baseline(sentences)

try:
    bertutil.pool_sentences(torch.ones(2, 3), torch.ones(2, 3).bool())
except TypeCheckError:
    print("checked")
"""


def test_every_function_keeps_the_shapes_of_its_signature(tiny_folder):
    code = CODE.format(folder=str(tiny_folder))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("checked\n", 0), done.stderr[-3000:]
