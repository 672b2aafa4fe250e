"""The parts of a worker, as its configuration wants them."""

import pytest

from cloud_agent.worker import builders
from mc_sched.errors import UserError


@pytest.mark.parametrize(
    ("max_batch", "prepared"),
    [(1, (1,)), (6, (1, 2, 4, 8)), (8, (1, 2, 4, 8)), (100, (1, 2, 4, 8, 16))],
)
def test_only_batches_that_may_run_are_prepared(max_batch, prepared):
    assert builders._sizes_up_to(max_batch, (1, 2, 4, 8, 16)) == prepared


def test_a_gpu_that_torch_does_not_find_is_an_error(monkeypatch):
    monkeypatch.setattr(builders, "host_device", lambda: "cpu")
    for name in ("cpu", "auto"):
        builders.check_device(name)
    with pytest.raises(UserError, match=r"^devices: cuda:1: torch finds no GPU"):
        builders.check_device("cuda:1")
