import pytest
import torch
from mc_models.inference.outputs import calibration_error, fit_temperature


def test_temperature_undoes_overconfidence():
    torch.manual_seed(0)
    logits = torch.randn(4000, 5) * 1.5
    labels = torch.multinomial(logits.softmax(1), 1)[:, 0]
    temperature = fit_temperature(logits * 3, labels)
    assert temperature == pytest.approx(3.0, rel=0.1)
    assert calibration_error(logits * 3, labels, temperature) < 0.03
    assert calibration_error(logits * 3, labels, 1.0) > 0.1
