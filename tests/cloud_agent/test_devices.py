"""The devices that a configuration names, found without torch."""

from types import SimpleNamespace

import pytest

from cloud_agent.devices import VISIBLE, Device, count_gpus_of_machine, find_devices
from mc_sched.errors import UserError


def found(wanted, gpus=0, **environment):
    return find_devices(wanted, environment, lambda: gpus)


def test_auto_takes_every_gpu():
    assert found("auto", 2) == (Device("cuda:0", "0"), Device("cuda:1", "1"))


def test_auto_without_a_listed_gpu_leaves_the_choice_to_torch():
    (device,) = found("auto", 0)
    assert device == Device("auto", None)


def test_each_name_of_a_list_is_a_worker():
    assert found(["cpu", "cpu", "cuda:1"], 2) == (
        Device("cpu", ""), Device("cpu", ""), Device("cuda:1", "1"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gpus", "name", "sentence"),
    [
        (2, "cuda:3", "devices: cuda:3: this machine has 2 GPUs"),
        (1, "cuda:1", "devices: cuda:1: this machine has 1 GPU"),
        (0, "cuda:1", "devices: cuda:1: this machine has no GPU"),
    ],
)
def test_a_gpu_that_is_not_there_is_an_error(gpus, name, sentence):
    with pytest.raises(UserError, match=f"^{sentence}$"):
        found([name], gpus)


def test_the_first_gpu_of_a_machine_that_lists_none_is_left_to_torch():
    assert found(["cuda:0"], 0) == (Device("cuda:0", None),)


def test_numbers_count_the_gpus_that_this_process_may_use():
    visible = {VISIBLE: "3, GPU-8932f937"}
    assert found(["cuda:1"], 9, **visible) == (Device("cuda:1", "GPU-8932f937"),)
    assert [device.visible for device in found("auto", 9, **visible)] == ["3", "GPU-8932f937"]


@pytest.mark.parametrize("hidden", ["", "-1", "-1,0"])
def test_hidden_gpus_are_not_taken(hidden):
    assert found("auto", 2, **{VISIBLE: hidden}) == (Device("auto", None),)


def test_a_worker_of_the_cpu_sees_no_gpu(monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1")
    assert Device("cpu", "").environment()[VISIBLE] == ""
    assert Device("auto", None).environment()[VISIBLE] == "0,1"


class Nvml(SimpleNamespace):
    """Replaces pynvml."""

    def __init__(self, count):
        super().__init__(nvmlInit=self.begin, nvmlShutdown=self.end)
        self.nvmlDeviceGetCount = lambda: count
        self.count, self.closed = count, False

    def begin(self):
        if self.count is None:
            raise OSError("no driver")

    def end(self):
        self.closed = True


def test_nvml_counts_the_gpus_and_is_closed(tmp_path):
    nvml = Nvml(4)
    assert count_gpus_of_machine(lambda: nvml, tmp_path) == 4
    assert nvml.closed


def test_without_nvml_the_device_files_count(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert count_gpus_of_machine(lambda: Nvml(None), tmp_path) == 2


def test_a_machine_without_device_files_has_no_gpu(tmp_path):
    def missing():
        raise ImportError("pynvml")

    assert count_gpus_of_machine(missing, tmp_path / "none") == 0
