"""The tree of answers: what they begin with in common stands once, and every token sees its own branch alone."""

import torch

from helpers.models.answer_tree import AnswerTree

ANSWERS = [[5, 6, 7], [5, 6, 8], [5, 9], [4]]


def test_what_answers_begin_with_in_common_stands_once():
    tree = AnswerTree([1, 2], ANSWERS)
    inputs = tree.inputs(torch.float32)
    assert inputs["ids"].tolist() == [[1, 2, 5, 6]]
    assert inputs["places"].tolist() == [[False, True, True, True]]
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 3]]
    assert tree.asked == [[0, 1, 2], [0, 1, 2], [0, 1], [0]]


def test_branches_do_not_see_each_other():
    inputs = AnswerTree([1], [[5, 6, 7], [8, 6, 7]]).inputs(torch.float32)
    assert inputs["ids"].tolist() == [[1, 5, 6, 8, 6]]
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 1, 2]]
    sees = (inputs["attention_mask"][0, 0] == 0).tolist()
    assert [[place for place, seen in enumerate(row) if seen] for row in sees] == [
        [0], [0, 1], [0, 1, 2], [0, 3], [0, 3, 4],
    ]  # fmt: skip
