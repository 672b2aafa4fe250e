import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mc_models.inference.predict import normalised_entropy, top5, top5_and_entropy

ROWS = torch.tensor([[0.0, 3.0, 1.0, 2.0, -1.0, -2.0], [5.0, 0.0, 0.0, 0.0, 0.0, 4.0]])


def test_the_five_most_probable_labels_come_first():
    entries = top5(ROWS[:1], 1.0)
    assert [label for label, _ in entries] == [1, 3, 2, 0, 4]
    assert entries[0][1] == pytest.approx(ROWS[0].softmax(0)[1].item())


def test_fewer_classes_than_five_give_fewer_entries():
    assert len(top5(torch.zeros(1, 3), 1.0)) == 3


def test_entropy_is_0_for_one_class_and_1_for_all():
    found = normalised_entropy(torch.tensor([[1000.0, 0.0], [0.0, 0.0]]), 1.0)
    assert found.tolist() == pytest.approx([0.0, 1.0])


@settings(deadline=None, derandomize=True, database=None)
@given(
    rows=st.integers(1, 9),
    classes=st.integers(2, 12),
    temperature=st.floats(0.1, 5.0),
    seed=st.integers(0, 99),
)
def test_a_batch_has_the_answers_of_its_rows(rows, classes, temperature, seed):
    logits = torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))
    found = top5_and_entropy(logits, temperature)
    assert len(found) == rows
    for (top, entropy), row in zip(found, logits, strict=True):
        alone = top5(row[None], temperature)
        assert [label for label, _ in top] == [label for label, _ in alone]
        assert [share for _, share in top] == pytest.approx([share for _, share in alone])
        assert entropy == pytest.approx(normalised_entropy(row[None], temperature).item())
        shares = (row / temperature).softmax(0).tolist()
        nats = -sum(p * math.log(p) for p in shares if p > 0)
        assert entropy == pytest.approx(nats / math.log(classes), abs=1e-4)
