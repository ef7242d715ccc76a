"""Every figure the chapters draw. Each function takes numbers and returns a Figure; show() puts it on the page.

More series, panels or kinds than a figure has colours, markers or places for are refused with a ValueError.
"""

from bertutil.course.plots.attention import (
    attention_heads,
    attention_table,
    bars_by_token,
    heads_by_effect,
    moves_by_token,
)
from bertutil.course.plots.common import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, STYLE, show
from bertutil.course.plots.context import cosines_by_layer, rivals_by_layer, senses_by_layer, strays
from bertutil.course.plots.ledger import ledger_tiles
from bertutil.course.plots.many_texts import gpu_words, padding_waste, speed_curves, speed_words
from bertutil.course.plots.pooling import (
    cosine_heat_map,
    layers_taken,
    lines_by_padding,
    pooling_paths,
    windows_over_text,
)
from bertutil.course.plots.scores import inputs_compared, learning_curve, scores_by_layer, scores_by_probe
from bertutil.course.plots.similarity import (
    arrow_pairs,
    cosine_spread,
    found_within,
    spread,
    two_kinds_of_pairs,
    ways_by_kind,
)
from bertutil.course.plots.states import (
    feature_histogram,
    lines_per_layer,
    state_boxes,
    token_feature_map,
    values_per_layer,
)
from bertutil.course.plots.tokens import (
    cosine_by_token,
    cosine_map,
    input_grid,
    nearness,
    parameter_map,
    token_boxes,
    who_sees_whom,
)
from bertutil.course.plots.tour import whole_way
from bertutil.course.plots.tuning import gain_curve, gains_by_way, score_maps
from bertutil.course.plots.vocabulary import (
    compared_histograms,
    longest_match,
    side_by_side_bars,
    stacked_shares,
    vocabulary_map,
    word_pieces,
)
from bertutil.course.plots.work import lines_over_size, recall_time_size

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "RED",
    "SKY",
    "STYLE",
    "arrow_pairs",
    "attention_heads",
    "attention_table",
    "bars_by_token",
    "compared_histograms",
    "cosine_by_token",
    "cosine_heat_map",
    "cosine_map",
    "cosine_spread",
    "cosines_by_layer",
    "feature_histogram",
    "found_within",
    "gain_curve",
    "gains_by_way",
    "gpu_words",
    "heads_by_effect",
    "input_grid",
    "inputs_compared",
    "layers_taken",
    "learning_curve",
    "ledger_tiles",
    "lines_by_padding",
    "lines_over_size",
    "lines_per_layer",
    "longest_match",
    "moves_by_token",
    "nearness",
    "padding_waste",
    "parameter_map",
    "pooling_paths",
    "recall_time_size",
    "rivals_by_layer",
    "score_maps",
    "scores_by_layer",
    "scores_by_probe",
    "senses_by_layer",
    "show",
    "side_by_side_bars",
    "speed_curves",
    "speed_words",
    "spread",
    "stacked_shares",
    "state_boxes",
    "strays",
    "token_boxes",
    "token_feature_map",
    "two_kinds_of_pairs",
    "values_per_layer",
    "vocabulary_map",
    "ways_by_kind",
    "who_sees_whom",
    "whole_way",
    "windows_over_text",
    "word_pieces",
]
