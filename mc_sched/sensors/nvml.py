"""Power and load of an NVIDIA server's GPUs, through NVML.

The package nvidia-ml-py (module `pynvml`) is optional. On a Jetson NVML initialises and then
answers NotSupported, so what counts is whether a query works.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from mc_sched.sensors.sensor import Reading, Sensor, SensorAbsent, SensorLost


def _pynvml() -> Any:
    return import_module("pynvml")


class Nvml(Sensor):
    """All GPUs of this machine. Raises SensorAbsent where they do not tell their power."""

    name = "nvml"

    def __init__(self, load: Callable[[], Any] = _pynvml) -> None:
        try:
            self._api = api = load()
        except ImportError:
            raise SensorAbsent(
                "nvidia-ml-py is not installed; on a server with NVIDIA GPUs, "
                "run `pip install nvidia-ml-py`"
            ) from None
        try:
            api.nvmlInit()
        except api.NVMLError as error:
            raise SensorAbsent(f"NVML: {error}") from None
        try:
            self._gpus = [
                api.nvmlDeviceGetHandleByIndex(i) for i in range(api.nvmlDeviceGetCount())
            ]
            if not self._gpus:
                raise SensorAbsent("NVML finds no GPU")
            for gpu in self._gpus:
                self._milliwatts(gpu)
        except api.NVMLError as error:
            self.close()
            raise SensorAbsent(f"NVML does not tell the power here: {error}") from None

    def read(self) -> Reading:
        """Watts of all boards together and of each; the mean share of time that they worked."""
        try:
            watts = {f"gpu{i}": self._milliwatts(gpu) / 1e3 for i, gpu in enumerate(self._gpus)}
        except self._api.NVMLError as error:
            raise SensorLost(f"NVML: {error}") from None
        return Reading(power_w=sum(watts.values()), rails_w=watts, gpu_busy=self._busy())

    def _milliwatts(self, gpu: Any) -> float:
        """Power now where the driver tells it, else its mean over up to a second."""
        field = getattr(self._api, "NVML_FI_DEV_POWER_INSTANT", None)
        if field is not None:
            try:
                (value,) = self._api.nvmlDeviceGetFieldValues(gpu, [field])
                if value.nvmlReturn == self._api.NVML_SUCCESS:
                    return float(value.value.uiVal)
            except self._api.NVMLError:
                pass  # an older driver, which has the mean only
        return float(self._api.nvmlDeviceGetPowerUsage(gpu))

    def _busy(self) -> float | None:
        try:
            shares = [self._api.nvmlDeviceGetUtilizationRates(gpu).gpu for gpu in self._gpus]
        except self._api.NVMLError:
            return None  # power alone is worth having
        return float(sum(shares)) / len(shares) / 100

    def close(self) -> None:
        """Tell NVML that we leave."""
        try:
            self._api.nvmlShutdown()
        except self._api.NVMLError:
            return
