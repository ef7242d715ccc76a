"""Break the code on purpose, one small change after the other, and see the tests go red.

python tools/mutate.py [--only PATTERN]    PATTERN: a regular expression, searched in the file's name and the text

Each mutation below is made in a temporary copy of the working tree, and the tests that should notice it are run
there. Exit status 1: a mutation survived and does not say why it may live, its text does not stand exactly once in
its file any more, or its tests fail without it. What survives shows a test that is missing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PYTEST = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
SECONDS = 300  # for the tests of one mutation: what hangs is noticed too


class Mutation(NamedTuple):
    """A file, a text that stands in it once, what is put there instead, and the test that must go red.

    `test` is pytest's id of a function. `lives`: why it may survive, if it may.
    """

    file: str
    text: str
    instead: str
    test: str
    lives: str = ""


def changes(file: str, tests: str, *rows: tuple[str, ...]) -> list[Mutation]:
    """The mutations of a file that tests of one module must notice.

    A row: text, what stands there instead, the test function without its "test_" and, if it may live, why.
    """
    return [Mutation(file, old, new, f"{tests}::test_{name}", *why) for old, new, name, *why in rows]


MUTATIONS = [
    *changes(
        "tools/notebook_gate.py",
        "tests/test_notebook_checker.py",
        ("adjusted() - 4", "adjusted() - 3", "falsified_text_fails"),
        ("< fifth_digit or", "<= fifth_digit or", "falsified_text_fails"),
        ("decimals[1] >= 3", "decimals[1] >= 2", "falsified_text_fails"),
        ("decimals[0] == decimals[1] >= 3", "decimals[0] >= 3", "falsified_text_fails"),
        ("scaleb(x.as_tuple().exponent)", "scaleb(x.as_tuple().exponent + 1)", "falsified_text_fails"),
        ('Decimal("1e-6")', 'Decimal("1e-5")', "falsified_text_fails"),
        ("<= 20:", "<= 21:", "twenty_pixels_may_differ_and_no_more"),
        ("else (1, 16)", "else (1, 17)", "colours_may_differ_by_the_level_and_no_more"),
        ("(8, 45)", "(8, 46)", "colours_may_differ_by_the_level_and_no_more"),
        ("else (1, 16)", "else (10, 16)", "a_thin_line_that_comes_or_goes_is_seen_with_the_tested_matplotlib_alone"),
        ("side = 3", "side = 5", "an_edge_may_move_by_one_pixel_and_no_more"),
        (
            "abs(w - w2) > 2 + w // 50",
            "abs(w - w2) > 3 + w // 50",
            "a_picture_may_be_larger_by_two_pixels_and_two_percent",
        ),
        (
            "abs(h - h2) > 2 + h // 50",
            "abs(h - h2) > 2 + h // 5",
            "a_picture_may_be_larger_by_two_pixels_and_two_percent",
        ),
        (
            "if self.count != self.cell_num + 1:",
            "if not self.count:",
            "the_gate_is_red_for_every_bad_cell_and_green_for_the_others",
        ),
        ('if kind in ("stderr", "error"):', 'if kind == "error":', "stderr_and_errors_fail_even_when_committed"),
    ),
    *changes(
        "tools/notebooks.py",
        "tests/test_notebook_checker.py",
        ("part.pop(WIDGET, None)", "part.get(WIDGET)", "writing_again_changes_no_byte"),
        ("MAX_LINES = 20", "MAX_LINES = 21", "every_rule_is_checked"),
        ('"raises-exception", ', "", "every_rule_is_checked"),
        ("if len(parameters) != 1 or", "if not parameters or", "every_rule_is_checked"),
        ('after.get("data") != {"text/html": in_words(alt)}', '"data" not in after', "every_rule_is_checked"),
        ("pairwise([*cell.outputs, {}])", "pairwise(cell.outputs)", "every_rule_is_checked"),
    ),
    *changes(
        "bertutil/course/exercises/__init__.py",
        "tests/test_exercises.py",
        (" and any(answers)", "", "answers_that_are_all_zero_are_no_rounding"),
        (
            "if equal(expected):",
            "if equal(expected) or not any(answers):",
            "answers_that_are_all_zero_are_no_rounding",
        ),
        ("abs_tol=1e-4)", "abs_tol=1e-3)", "more_than_rounding_errors_is_wrong"),
        (
            '"text/plain": verdict}',
            '"text/plain": f"{sign} {verdict}"}',
            "a_verdict_is_shown_in_its_own_words_with_a_sign_before_them",
        ),
        ("html.escape(verdict)", "verdict", "a_verdict_is_shown_in_its_own_words_with_a_sign_before_them"),
        ("shell = get_ipython()", "shell = get_ipython", "outside_a_notebook_check_prints_the_verdict"),
        ("if shell is None:", "if True:", "in_a_notebook_check_displays_the_verdict"),
        ("rel_tol=1e-6", "rel_tol=1e-5", "more_than_rounding_errors_is_wrong"),
        ("atol=1e-4):", "atol=1e-3):", "a_tensor_is_right_or_a_known_slip_within_rounding_errors"),
        ("if abs(value) < 1:", "if False:", "a_share_that_is_given_as_1_or_0_is_no_rounding"),
        ("len(a) == len(b) and all(", "all(", "a_function_that_writes_into_what_it_is_given_is_told_so"),
    ),
    *changes(
        "bertutil/course/predict.py",
        "tests/test_predict.py",
        ('not cell["id"].startswith("exercise-")', "True", "an_exercise_asks_for_no_guess"),
        (
            "end < len(old) and",
            "end == i + 1 and",
            "a_guess_stands_before_the_result_and_its_mark_below_all_of_it",
        ),
        (
            "isinstance(right, bool)",
            "right is not ...",
            "what_is_neither_true_nor_false_does_not_count",
        ),
        (
            "if number not in self._right]",
            "if number in self._right]",
            "the_score_counts_what_is_marked_and_names_the_others",
        ),
    ),
    *changes(
        "bertutil/course/workshop.py",
        "tests/test_workshop.py",
        ('" and ".join(', '" or ".join(', "a_cell_stays_shut_while_one_of_the_exercises_that_it_needs_is_not_right"),
        (""" == "Right."' for e""", """ != ""' for e""", "cells_wait_for_each_exercise_that_they_need"),
        (""" == "Right."' for e""", """ == "right"' for e""", "a_cell_opens_when_the_learners_own_is_right"),
        ("for n in used - defined", "for n in ()", "cells_wait_for_each_exercise_that_they_need"),
        (
            "waiting |= dict.fromkeys(defined, needed)",
            "waiting |= dict.fromkeys(defined, needed) if needed else {}",
            "cells_wait_for_each_exercise_that_they_need",
        ),
        (" or own[1] != solved[1]", "", "a_solution_that_is_checked_as_another_exercise_is_refused"),
        ("{'#' * bool(anchor)}{anchor}", "", "links_are_mended_for_a_folder_of_its_own"),
        (
            "options.out.exists() and not options.force",
            "False",
            "a_folder_that_is_not_empty_is_left_alone_unless_forced",
        ),
        ("require_no_link(out / place)", "pass", "no_link_below_the_folder_is_followed"),
    ),
    *changes(
        "bertutil/course/doctor.py",
        "tests/test_doctor.py",
        ("> 1e-3 for", "> 1e-2 for", "cosines_may_differ_by_a_thousandth"),
        ("min(known)", "max(known)", "too_little_memory_and_disk_are_problems"),
        ("NEEDED_GB = 1.0", "NEEDED_GB = 0.1", "too_little_memory_and_disk_are_problems"),
        (", prereleases=True", ", prereleases=False", "a_nightly_build_that_is_newer_than_needed_is_no_problem"),
    ),
    *changes(
        "bertutil/course/ledger/rules.py",
        "tests/test_claims.py",
        ("if False in outcomes", "if True in outcomes", "all_that_is_needed_must_be_met_and_one_limit_is_enough"),
        ("if None in outcomes", "if False", "one_need_that_fails_decides_where_another_is_not_decided"),
        (
            "if high < self.bound",
            "if high <= self.bound",
            "a_lead_of_0_2_at_least_is_there_is_not_there_or_is_not_decided",
        ),
        ("if low > 0 else", "if low >= 0 else", "a_lead_of_0_2_at_least_is_there_is_not_there_or_is_not_decided"),
        ("len(verdicts) == 1", "len(verdicts) >= 1", "runs_with_different_verdicts_depend_on_the_seed"),
        ("LIMIT if any([", "LIMIT if all([", "all_that_is_needed_must_be_met_and_one_limit_is_enough"),
        ("or any(measured", "or all(measured", "all_that_is_needed_must_be_met_and_one_limit_is_enough"),
        ("math.isnan(value)", "False", "nan_gives_no_verdict"),
        ("round(value, 3) + 0.0", "round(value, 3)", "quantities_as_text"),
    ),
    *changes(
        "bertutil/engines.py",
        "tests/test_engines.py",
        ("if self._bert is None:", "if True:", "the_checkpoint_is_loaded_once_and_as_asked"),
        ('"dtype": dtype}', '"dtype": torch.float32}', "the_checkpoint_is_loaded_once_and_as_asked"),
        (' | {"_bert": None}', "", "pickling_leaves_the_model_behind"),
    ),
    *changes(
        "bertutil/course/datasets/__init__.py",
        "tests/test_datasets_stories_entities.py",
        (
            "range(1, 6)",
            "range(1, 5)",
            "every_story_has_five_sentences_that_begin_with_a_capital_and_end_with_a_stop",
        ),
        ('if part not in ("train", "test"):', "if not part:", "any_other_part_is_refused"),
    ),
    *changes(
        "bertutil/checkpoints.py",
        "tests/test_edits.py",
        (" and share > 0", " and share >= 0", "a_part_without_dropout_may_be_in_training_mode"),
    ),
    *changes(
        "bertutil/checkpoints.py",
        "tests/test_engines.py",
        (
            "lambda: torch.set_num_threads(1)",
            "lambda: None",
            "a_process_that_is_forked_after_torch_has_used_its_threads_computes",
        ),
    ),
    *changes(
        "bertutil/checkpoints.py",
        "tests/test_reading.py",
        (
            "default=0)) >= size",
            "default=0)) > size",
            "a_token_that_was_added_without_a_vector_is_refused_by_name_until_there_is_one",
        ),
    ),
    *changes(
        "bertutil/pieces.py",
        "tests/test_pieces.py",
        ("character.isprintable() and ", "", "a_lone_surrogate_is_split_without_an_error"),
    ),
    *changes(
        "bertutil/pieces.py",
        "tests/test_encoding.py",
        (
            "(later[0] + earlier[1] + 1) // 2",
            "(later[0] + earlier[1]) // 2",
            "a_token_in_several_windows_is_central_where_it_is_furthest_from_an_edge",
        ),
        (
            "letters)) == 1",
            "letters)) <= 2",
            "an_abbreviation_has_nothing_but_letters_between_its_periods_and_one_of_them_alone",
        ),
        (
            " and all(map(str.isalpha, letters))",
            "",
            "an_abbreviation_has_nothing_but_letters_between_its_periods_and_one_of_them_alone",
        ),
        (
            "cut > start else end",
            "cut > start else end - 1",
            "truncation_cuts_inside_a_word_only_where_it_fills_the_row",
        ),
    ),
    *changes(
        "bertutil/encoding.py",
        "tests/test_encoding.py",
        ("unknown[word] |= piece", "unknown[word] = piece", "a_word_is_unknown_where_any_one_of_its_pieces_is"),
        (
            "if sizes[0] > sizes[1] else 0",
            "if sizes[0] >= sizes[1] else 0",
            "truncating_a_pair_shortens_the_longer_one",
        ),
        (
            "real and j in span.central",
            "real",
            "a_token_in_several_windows_is_central_where_it_is_furthest_from_an_edge",
        ),
    ),
    *changes(
        "bertutil/layers.py",
        "tests/test_edits.py",
        (
            'return bool(getattr(hook, "__module__", None) == output_capturing.__name__)',
            "return True",
            "an_edit_is_followed",
        ),
        ("if place >= len(hooks) - 1:", "if place >= len(hooks) - 2:", "an_edit_is_followed"),
        (
            "        and not (first is not None and first._forward_pre_hooks)",
            "        and first is not None",
            "an_edit_is_followed",
        ),
        (", scale=attention.scaling)", ")", "an_edit_is_followed"),
        (" and activation.act is gelu", "", "an_edit_is_followed"),
        ("known and _runs", "_runs", "an_edit_is_followed"),
        (
            '        and not getattr(module, "is_causal", False)\n',
            "",
            "an_attention_that_was_made_causal_is_followed",
        ),
        ("(hooks[:place])", "(hooks[:0])", "hooks_before_and_behind_the_one_that_records_are_followed"),
        ("        and not torch_module._global_forward_pre_hooks\n", "", "a_global_hook_on_inputs_is_followed"),
        ("* attention.scaling", "/ attention.attention_head_size**0.5", "attentions_follows_what_it_can"),
    ),
    *changes(
        "bertutil/layers.py",
        "tests/test_layers.py",
        (
            'masked_fill(padding, float("-inf"))',
            "masked_fill(padding, -10.0)",
            "attention_sums_to_one_and_is_exactly_zero_at_padding",
        ),
        (
            "[layer % n for",
            "[abs(layer) for",
            "layers_come_in_the_order_asked_for_and_negative_ones_count_from_the_end",
        ),
    ),
    *changes(
        "bertutil/pooling.py",
        "tests/test_pooling.py",
        ("chosen.flip(2)", "chosen", "each_strategy_takes_its_layers_by_index"),
        ("else states[:, :, 1:]", "else states", "each_strategy_takes_its_layers_by_index"),
        (
            "self.counts == 0",
            "self.counts < 0",
            "a_word_without_a_piece_is_nan_and_so_is_the_padding_behind_the_words",
        ),
        ('float("-inf")', "0.0", "negative_vectors_stay_negative_under_max"),
        ("torch.cat(parts,", "torch.cat(parts[::-1],", "pooling_a_sentence_sees_nothing_but_the_tokens_of_its_mask"),
        (
            'keep[1:] &= edge if how == "first" else True\n    keep[:-1] &= edge if how == "last" else True',
            'keep[1:] &= edge if how == "last" else True\n    keep[:-1] &= edge if how == "first" else True',
            "a_words_vector_is_pooled_from_its_own_pieces",
        ),
        (
            ")[encoding.central]\n",
            ")[encoding.content_mask]\n",
            "of_a_piece_that_two_windows_show_the_central_one_counts",
        ),
    ),
    *changes(
        "bertutil/packed.py",
        "tests/test_packed.py",
        (
            "torch.cat([model.embeddings.position_ids[:, :length] for length in lengths], dim=1)",
            "model.embeddings.position_ids[:, : sum(lengths)]",
            "a_vector_does_not_depend_on_the_company",
        ),
        ("block.add_(state, alpha=factor)", "block.add_(state)", "every_strategy_gives_what_the_slow_way_gives"),
        (".nonzero().max())", ".nonzero().max()) + 1", "no_layer_above_the_highest_needed_is_computed"),
        (
            "row[central.start - start + 1 : central.stop - start + 1] = content[central.start : central.stop]",
            "row[1:-1] = content[start:end]",
            "every_word_pooling_gives_what_the_slow_way_gives",
        ),
        ("if start == 0 or", "if True or", "every_sentence_pooling_gives_what_the_slow_way_gives"),
        (' or recipe.how == "cls":', ":", "every_sentence_pooling_gives_what_the_slow_way_gives"),
        ("if end == size:", "if True:", "every_sentence_pooling_gives_what_the_slow_way_gives"),
        ("slots[~ends_of_runs(", "slots[ends_of_runs(", "every_word_pooling_gives_what_the_slow_way_gives"),
        ("mask.long()}", "torch.ones_like(ids)}", "an_output_module_of_the_users_own_keeps_its_forward"),
        (
            "].copy() for place in order]",
            "] for place in order]",
            "equal_texts_are_computed_once_and_share_no_memory",
        ),
        (".clip(min=1e-12)", "**2", "normalized_vectors_have_length_1_and_the_same_direction"),
    ),
    *changes(
        "bertutil/similarity.py",
        "tests/test_similarity.py",
        (
            'found.masked_fill(found.isnan(), float("-inf"))',
            "found",
            "search_puts_nan_and_infinity_last_with_the_score_nan",
        ),
        ("start + size >= len(table)", "start + size > len(table)", "blocks_of_any_size_give_what_one_block_gives"),
        ("torch.arange(start, start + ", "torch.arange(0, ", "blocks_of_any_size_give_what_one_block_gives"),
        (".nanmean(dim=0)", ".mean(dim=0)", "removing_the_mean_centres_the_vectors_and_leaves_nan_rows_out"),
        (
            "torch.randint(1, len(rows)",
            "torch.randint(0, len(rows)",
            "the_baseline_is_the_mean_cosine_of_different_rows",
        ),
        (".sum() - n)", ".sum())", "self_similarity_is_the_mean_cosine_of_different_rows"),
    ),
    *changes(
        "bertutil/intervals.py",
        "tests/test_intervals.py::TestBootstrapInterval",
        ("(1 - level) / 2, (1 + level) / 2", "1 - level, level", "both_ends_leave_the_same_share_of_the_draws_out"),
        ("np.nanquantile", "np.quantile", "draws_without_a_score_are_left_out"),
    ),
    *changes(
        "bertutil/intervals.py",
        "tests/test_intervals.py::TestPairedDifference",
        (
            "n=n, level=level, seed=seed)\n    return ahead",
            "n=n, level=level)\n    return ahead",
            "the_seed_settles_the_draws",
        ),
    ),
    *changes(
        "bertutil/intervals.py",
        "tests/test_intervals.py::TestWilsonInterval",
        ("extra / (4 * n)", "extra / 4", "it_agrees_with_published_values"),
    ),
    *changes(
        "bertutil/course/rivals.py",
        "tests/test_rivals.py",
        ("if j != place and any(", "if any(", "the_other_words_are_all_but_the_target_and_the_marks"),
        ("mixed[j] = text[k]", "mixed[j] = text[j]", "the_draws_of_shuffled_words_differ"),
        (" - member[:, :, None] * rows[:, None]", "", "the_centroid_leaves_the_row_itself_out"),
    ),
    *changes(
        "bertutil/probes.py",
        "tests/test_probes.py",
        (
            "keepdim=True) - 1e-9",
            "keepdim=True)",
            "of_equally_near_rows_each_counts_its_share_whatever_their_last_digits_are",
        ),
        (
            "fill_diagonal_(-torch.inf)",
            "fill_diagonal_(0)",
            "a_row_is_not_its_own_neighbour_where_all_others_point_away",
        ),
        ('mark == "I" and name == kind', 'mark == "I"', "entities_are_read_as_conlleval_reads_them"),
        (
            "rate * min(1, 384 / self.lstm.input_size)",
            "rate",
            "the_learning_rate_of_the_input_weights_falls_with_their_number",
        ),
        (
            "self.mix.softmax(dim=0)\n",
            "self.mix\n",
            "the_weighted_sum_leans_on_the_layer_that_says_something",
        ),
    ),
    *changes(
        "bertutil/fine_tuning.py",
        "tests/test_fine_tuning.py",
        ("step / rise", "(step + 1) / rise", "the_learning_rate_rises_falls_and_ends_near_zero"),
        ("max(1, n_steps - rise)", "n_steps", "the_learning_rate_rises_falls_and_ends_near_zero"),
        ("math.ceil(share * n_steps)", "int(share * n_steps)", "the_learning_rate_is_that_of_the_librarys_schedule"),
        ("min(i + 64, n)", "min(i + 63, n)", "more_rows_than_are_computed_at_a_time_all_have_logits"),
        ("any(part.training", "any(False", "a_part_in_training_mode_is_refused"),
        ("parameter.ndim > 1", "parameter.ndim > 0", "decay_spares_biases_and_the_weights_of_layer_norms"),
        (
            "clip_grad_norm_(parameters, 1.0)",
            "clip_grad_norm_(parameters, 9.0)",
            "long_gradients_are_clipped_to_a_length_of_one",
        ),
        (
            "        new.insert(0, model.bert.pooler.dense)\n",
            "",
            "a_missing_pooler_is_new_from_the_seed_and_a_warning_says_so",
        ),
        ("sorted(found)", "sorted(found, key=str)", "whole_numbers_are_names_of_classes_too"),
        ('if kind != "single_label_classification" or ', "if ", "a_model_that_does_not_choose_one_class_is_refused"),
        (
            "math.ceil(len(groups) / (batch_size // together))",
            "(len(groups) * together // batch_size)",
            "each_step_has_its_share_of_the_learning_rate",
        ),
        ("        model.eval()\n", "", "the_result_is_in_evaluation_mode_and_answers_alike_twice"),
        (
            "copy.deepcopy(bert.model, shared)",
            "copy.deepcopy(bert.model)",
            "what_is_frozen_is_shared_and_takes_no_memory",
        ),
        (
            "[: bert.n_layers - layers]",
            "[: bert.n_layers - layers - 1]",
            "only_the_upper_layers_move_where_so_many_are_asked_for",
        ),
    ),
    *changes(
        "bertutil/fine_tuning.py",
        "tests/test_tuning_vectors.py",
        (".fill_diagonal_(False)", "", "pairs_without_a_common_text_leave_nothing_out"),
        (
            ", leave_out=right_ones",
            ", leave_out=right_ones & False",
            "another_text_of_the_same_query_is_no_wrong_one",
        ),
        ("    trained.model.eval()\n", "", "the_result_is_in_evaluation_mode_and_float32"),
        (
            "back = scores[:, : len(queries)].T",
            "back = scores[:, -len(queries) :].T",
            "the_loss_is_that_of_sentence_transformers_with_hard_negatives",
        ),
        ("= bert.tokenizer.sep_token_id", "= 0", "texts_are_cut_after_so_many_tokens_as_the_tokenizer_does"),
    ),
    *changes(
        "bertutil/checkpoints.py",
        "tests/test_tuning_vectors.py",
        (
            "        if not _alike(bert, again):",
            "        if False:",
            "an_edit_that_no_file_holds_is_refused_and_leaves_no_folder",
        ),
        (
            "        shutil.rmtree(folder, ignore_errors=True)\n",
            "",
            "a_disk_that_is_full_leaves_no_folder",
        ),
        (
            "if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):",
            "if False:",
            "a_folder_with_files_is_refused_and_stays",
        ),
    ),
    *changes(
        "bertutil/folder.py",
        "tests/test_folder.py",
        ("os.fsync(self.file.fileno())", "pass", "files_and_record_are_on_the_disk_before_the_record_counts"),
        ("            os.fsync(stream.fileno())\n", "", "files_and_record_are_on_the_disk_before_the_record_counts"),
        ("self.file.truncate(self.size)", "pass", "what_was_not_committed_is_cut_off"),
        ("if found < size:", "if found + 1 < size:", "a_missing_file_is_damaged_if_it_had_bytes"),
        (
            "view = view[self.file.write(view) :]",
            "view = view[len(view) + 0 * self.file.write(view) :]",
            "what_the_system_writes_in_parts_is_written_whole",
        ),
        ("ends + position + 1", "ends + 1", "lines_are_found_behind_the_first_16_mib"),
        ("        require_no_link(path)\n", "", "no_link_is_written_through"),
        (
            "        beside.unlink(missing_ok=True)\n        raise",
            "        raise",
            "what_could_not_be_written_whole_is_removed_and_the_old_file_stays",
        ),
        ('.open("x", ', '.open("w", ', "a_file_is_replaced_by_way_of_a_new_one_only"),
    ),
    *changes(
        "bertutil/packed.py",
        "tests/test_corpus.py",
        ("len(group) == n_most", "len(group) > n_most", "windows_are_bounded_by_texts_characters_and_vectors"),
        (
            "total + size(item) > most",
            "total + size(item) >= most",
            "windows_are_bounded_by_texts_characters_and_vectors",
        ),
    ),
    *changes(
        "bertutil/corpus.py",
        "tests/test_corpus.py",
        ("4 * n_vectors)", "n_vectors)", "windows_are_bounded_by_texts_characters_and_vectors"),
        (
            ' or digest.hexdigest() != record["files"]["lines.jsonl"]["sha256"]',
            "",
            "another_input_is_refused",
        ),
        ('offsets[bool(record["n_lines"]) :]', "offsets[1:]", "words_and_tokens_have_offsets_and_names"),
        (
            '"num_attention_heads", ',
            "",
            "another_configuration_with_the_same_weights_is_refused_by_name",
        ),
        ('"hidden_act", ', "", "another_configuration_with_the_same_weights_is_refused_by_name"),
        (', "layer_norm_eps")', ")", "another_configuration_with_the_same_weights_is_refused_by_name"),
        (
            "{name: settings[name] for name in CONFIGURATION} | record",
            "record",
            "a_folder_from_before_the_configuration_was_recorded_goes_on",
        ),
        (
            """            if state["bytes"]:
                check_file""",
            """            if True:
                check_file""",
            "verify_takes_a_folder_in_which_no_file_was_made_yet",
        ),
        ("if 0 < size == path", "if size == path", "verify_takes_a_folder_in_which_no_file_was_made_yet"),
        ("0 < size == path.stat().st_size and", "0 < size and", "verify_takes_what_an_interrupted_call_left"),
        (
            "return text if i else text",
            "return text.removeprefix('\\ufeff') if i else text",
            "a_byte_order_mark_is_text_but_at_the_start_of_a_file",
        ),
    ),
    *changes(
        "bertutil/cli.py",
        "tests/test_cli.py",
        (
            "return 0 if asked else 2",
            "return 0",
            "what_is_no_command_is_answered_with_the_commands_and_status_2_unless_help_was_asked_for",
        ),
        (
            "return int(import_module(module).main(arguments))",
            "return 0 * import_module(module).main(arguments)",
            "a_command_of_the_course_gives_its_own_status",
        ),
        ("return 130", "return 2", "ctrl_c_leaves_a_folder_that_goes_on_and_says_how"),
        ("        return 2\n    except", "        return 1\n    except", "an_error_is_one_line_and_status_2"),
        ("line {i + 1}: {line if", "line {i}: {line if", "search_prints_the_best_lines_first"),
        (
            '("strategy", "how", "specials")}\n    query',
            '("strategy",)}\n    query',
            "search_asks_in_the_way_that_the_folder_was_made",
        ),
        ('settings["dtype"])', '"float32")', "search_asks_in_the_way_that_the_folder_was_made"),
        ("if score == score:", "if True:", "search_never_shows_a_line_without_a_vector"),
        ("in (out, unfinished):", "in (out,):", "jsonl_touches_no_file_that_it_did_not_make"),
        (
            "        if os.path.lexists(out):",
            "        if False:",
            "jsonl_writes_over_no_file_that_was_made_meanwhile",
        ),
        (
            "stack.enter_context(folder.replacing(out, unfinished))",
            'stack.enter_context(unfinished.open("x"))',
            "jsonl_that_fails_leaves_nothing_behind",
        ),
    ),
    *changes(
        "bertutil/corpus.py",
        "tests/test_chaos.py",
        (
            'np.fromfile(path, "u1", HEADER).tobytes() != npy_header(*form)',
            "False",
            "a_flipped_bit_anywhere_is_found_and_its_file_named",
        ),
    ),
    *changes(
        "bertutil/course/ledger/evidence.py",
        "tests/test_claims.py",
        ("rankdata(-scores", "rankdata(scores", "a_rank_counts_the_texts_with_a_higher_score_and_equal_ones_half"),
        (
            "np.sign(alike[:, None] - unlike)",
            "np.sign(unlike - alike[:, None])",
            "in_order_is_scipys_mann_whitney_u_as_a_share",
        ),
        ("room = 3 /", "room = 0 /", "where_no_item_differs_the_interval_goes_three_items_to_either_side"),
        (
            "generator.integers(len(one), size=len(one))",
            "np.arange(len(one))",
            "seeds_that_disagree_widen_the_interval",
        ),
        (
            "cosines[same & ~torch.eye(len(senses), dtype=torch.bool)]",
            "cosines[same]",
            "same_minus_other_compares_different_uses",
        ),
        ("(senses.count(sense) - 1)", "senses.count(sense)", "guessing_never_draws_the_use_itself"),
    ),
    *changes(
        "bertutil/course/ledger/claims.py",
        "tests/test_claims.py",
        (
            'limits=[("mean minus last, at least", ">", 0)]',
            'limits=[("mean minus last, at least", "≥", 0)]',
            "a_limit_begins_at_its_bound",
        ),
        (
            'hits["last"], alone)',
            'hits["last"], guessing)',
            "c25_asks_what_the_last_piece_knows_beyond_itself_and_whether_the_mean_is_ahead",
        ),
        (
            'ahead("mean minus last", hits["mean"], hits["last"])',
            'ahead("mean minus last", hits["last"], hits["mean"])',
            "c25_asks_what_the_last_piece_knows_beyond_itself_and_whether_the_mean_is_ahead",
        ),
    ),
]


def missing(mutation: Mutation, root: Path = ROOT) -> str:
    """Why the mutation cannot be made, or nothing."""
    path = root / mutation.file
    count = path.read_text(encoding="utf-8").count(mutation.text) if path.is_file() else 0
    return "" if count == 1 else f"its text stands {count} times in the file"


def copy(root: Path, folder: Path) -> None:
    """Copy what git knows of a working tree, and what it does not ignore, to a folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)


def noticed(folder: Path, tests: Iterable[str], seconds: float | None = SECONDS) -> str | None:
    """What pytest says of the first test that fails in a folder; None where all pass."""
    # the copy's modules, also in child processes; no byte code, which can be older than a change within a second
    environment = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTEST_ADDOPTS", "PYTEST_CURRENT", "PYTEST_XDIST", "COV_"))
    }
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*PYTEST, *tests]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {seconds} seconds"
    if done.returncode not in (0, 1, 2):  # 2: a module cannot be imported; above, pytest itself could not work
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    if done.returncode == 0:
        return None
    found = re.findall(r"^(?:FAILED|ERROR) .*", done.stdout, re.MULTILINE)
    return found[0] if found else done.stdout[-500:]


def try_all(mutations: Sequence[Mutation], root: Path = ROOT) -> list[str]:
    """Try mutations one at a time, print the outcome of each, and return what is wrong."""
    wrong = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        copy(root, folder)
        if failure := noticed(folder, dict.fromkeys(mutation.test for mutation in mutations), seconds=None):
            return [f"the tests fail without any mutation: {failure}"]
        for mutation in mutations:
            change = f"{mutation.file}: {mutation.text!r} -> {mutation.instead!r}"
            if reason := missing(mutation, folder):
                wrong.append(f"{change}: {reason}")
                continue
            path, start = folder / mutation.file, time.monotonic()
            source = path.read_text(encoding="utf-8")
            path.write_text(source.replace(mutation.text, mutation.instead), encoding="utf-8", newline="")
            survived = noticed(folder, [mutation.test]) is None
            path.write_text(source, encoding="utf-8", newline="")
            outcome = "killed" if not survived else "lives" if mutation.lives else "SURVIVED"
            print(f"{outcome:8} {time.monotonic() - start:5.1f} s  {change}", flush=True)
            if survived and not mutation.lives:
                wrong.append(f"{change}: survived {mutation.test}")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PATTERN", default="", help="those whose file or text match")
    options = parser.parse_args(arguments)
    chosen = [m for m in MUTATIONS if re.search(options.only, f"{m.file} {m.text}")]
    wrong = try_all(chosen)
    print(
        *(f"\n{len(wrong)} of {len(chosen)} are wrong:" if wrong else f"\nAll {len(chosen)} are noticed.", *wrong),
        sep="\n",
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
