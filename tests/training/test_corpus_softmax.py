"""The loss over a whole corpus: what it is, what is masked, and that blocks change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from homing.training import corpus_softmax
from homing.training.examples import Example
from homing.training.questions import Asked, asked_questions, make_targets
from homing.training.teaching import Teaching
from homing.types import Passage, Query

torch = pytest.importorskip("torch")

N, D, TAU = 50, 8, 0.1


def material():
    generator = torch.Generator().manual_seed(3)
    corpus = torch.nn.functional.normalize(torch.randn(N, D, generator=generator), dim=1)
    questions = torch.randn(4, D, generator=generator, dtype=torch.float32)
    positions = torch.tensor([[0, 5], [7, 7], [9, 1], [49, 2]])
    shares = torch.tensor([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0], [0.9, 0.1]])
    masked = torch.tensor([[3, 4], [-1, -1], [0, -1], [48, 47]])
    return torch.nn.functional.normalize(questions, dim=1), corpus, positions, shares, masked


def test_it_is_the_cross_entropy_over_what_is_not_masked():
    questions, corpus, positions, shares, masked = material()
    found = corpus_softmax.corpus_cross_entropy(questions, corpus, positions, shares, masked, TAU)
    losses = []
    for i in range(4):
        scores = (corpus @ questions[i]).numpy() / TAU
        out = [m for m in masked[i].tolist() if m >= 0]
        kept = np.delete(scores, out)
        logs = scores - np.log(np.exp(kept).sum())
        losses.append(-float((shares[i].numpy() * logs[positions[i].numpy()]).sum()))
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


def test_blocks_give_the_same_loss_and_the_same_gradient(monkeypatch):
    found = []
    for block in (N, 7):
        monkeypatch.setattr(corpus_softmax, "BLOCK_PASSAGES", block)
        questions, *rest = material()
        questions.requires_grad_()
        loss = corpus_softmax.corpus_cross_entropy(questions, *rest, TAU)
        loss.backward()
        found.append((float(loss.detach()), questions.grad.clone()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    torch.testing.assert_close(found[0][1], found[1][1])


def test_a_block_that_is_masked_as_a_whole_is_no_trouble(monkeypatch):
    monkeypatch.setattr(corpus_softmax, "BLOCK_PASSAGES", 2)
    questions, corpus, positions, shares, masked = material()
    questions.requires_grad_()
    masked = torch.tensor([[46, 47]] * 4)
    loss = corpus_softmax.corpus_cross_entropy(questions, corpus, positions, shares, masked, TAU)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(questions.grad).all()


def test_a_masked_passage_pulls_and_pushes_nothing():
    questions, corpus, positions, shares, masked = material()
    moved = corpus.clone()
    for i in (3, 4):
        moved[i] = -moved[i]
    first = [questions[:1], positions[:1], shares[:1], masked[:1]]
    before, after = (
        corpus_softmax.corpus_cross_entropy(first[0], table, *first[1:], TAU)
        for table in (corpus, moved)
    )
    assert float(before) == float(after)


PASSAGES = {name: Passage(name, "d", 0, 1, name) for name in "abcd"}
ROWS = {name: i for i, name in enumerate("abcd")}


def example(passage: str, *queries: str, right: str) -> Example:
    asked = tuple(Query(q, f"about {q}") for q in queries)
    return Example(PASSAGES[passage], asked, {q: frozenset(right) for q in queries}, passage)


def test_a_question_stands_once_with_all_passages_that_it_was_asked_about():
    examples = [example("a", "x", "y", right="ab"), example("b", "x", right="ab")]
    found = asked_questions(examples, ["about y", "new", "new"])
    assert [q.text for q in found] == ["about x", "about y", "new"]
    assert found[0].answers == ("a", "b")
    assert found[1].answers == ("a",)
    assert found[2] == Asked("new")


def test_targets_mix_label_and_teacher_and_leave_duplicates_out():
    questions = [Asked("x", ("a",), frozenset("ab"), True), Asked("free")]
    taught = Teaching(
        np.array([[1, 0, 2], [3, 2, 1]]), np.log([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]], dtype="f")
    )
    targets = make_targets(questions, ROWS, taught, teacher_weight=0.4, temperature=1.0)
    table = np.zeros((2, 4))
    for i in range(2):
        np.add.at(table[i], targets.positions[i], targets.shares[i])
    # The teacher's favourite b answers as well: its share goes to the others, and it is masked.
    np.testing.assert_allclose(table[0], [0.6 + 0.4 * 0.6, 0, 0.4 * 0.4, 0], atol=1e-6)
    np.testing.assert_allclose(table[1], [0, 0.1, 0.3, 0.6], atol=1e-6)
    assert targets.masked.tolist() == [[1], [-1]]


def test_without_a_teacher_the_label_is_all():
    questions = [Asked("x", ("a", "c"), frozenset("ac"), True)]
    targets = make_targets(questions, ROWS, None, teacher_weight=0.4, temperature=1.0)
    assert targets.positions.tolist() == [[0, 2]]
    assert targets.shares.tolist() == [[0.5, 0.5]]


def test_a_teacher_that_names_duplicates_alone_leaves_the_label():
    questions = [Asked("x", ("a",), frozenset("ab"), True)]
    taught = Teaching(np.array([[1]]), np.zeros((1, 1), dtype=np.float32))
    targets = make_targets(questions, ROWS, taught, teacher_weight=0.4, temperature=1.0)
    assert targets.shares.sum() == pytest.approx(1.0)
    assert targets.shares[0, 0] == pytest.approx(1.0)
