import pytest
import torch
from mc_models.training.losses import class_loss, exits_loss


def test_the_last_exit_can_count_more():
    labels = torch.tensor([0])
    right, wrong = torch.tensor([[9.0, 0.0]]), torch.tensor([[0.0, 9.0]])
    even = exits_loss([right, wrong], labels, 1.0, 0.0, grouped=False).item()
    heavy = exits_loss([right, wrong], labels, 3.0, 0.0, grouped=False).item()
    assert heavy == pytest.approx(1.5 * even, rel=0.01)


def test_sharing_a_shape_or_texture_costs_less_than_sharing_neither():
    def loss(guess):
        logits = torch.zeros(1, 100)
        logits[0, guess] = 8.0
        return class_loss(logits, torch.tensor([37]), 0.0, grouped=True).item()

    assert loss(37) < loss(36) < loss(46)
    assert loss(37) < loss(27) < loss(46)
