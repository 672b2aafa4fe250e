"""Power and load of an NVIDIA server's GPUs, through NVML.

The package nvidia-ml-py (module `pynvml`) is optional. On a Jetson NVML initialises but answers
queries with NotSupported, so the sensor counts as absent unless a query works.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from mc_sched.sensors.sensor import Reading, Sensor, SensorAbsent, SensorLost


def _pynvml() -> Any:
    return import_module("pynvml")


class Nvml(Sensor):
    """All GPUs of this machine. Raises SensorAbsent if their power cannot be read."""

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
            raise SensorAbsent(f"NVML cannot read the power of this GPU: {error}") from None

    def read(self) -> Reading:
        """Return the watts of each GPU and their sum, and the mean share of time they were busy."""
        try:
            watts = {f"gpu{i}": self._milliwatts(gpu) / 1e3 for i, gpu in enumerate(self._gpus)}
        except self._api.NVMLError as error:
            raise SensorLost(f"NVML: {error}") from None
        return Reading(power_w=sum(watts.values()), rails_w=watts, gpu_busy=self._busy())

    def _milliwatts(self, gpu: Any) -> float:
        """Return the present power if the driver has it, else the mean over up to a second."""
        field = getattr(self._api, "NVML_FI_DEV_POWER_INSTANT", None)
        if field is not None:
            try:
                (value,) = self._api.nvmlDeviceGetFieldValues(gpu, [field])
                if value.nvmlReturn == self._api.NVML_SUCCESS:
                    return float(value.value.uiVal)
            except self._api.NVMLError:
                pass  # an older driver has the mean only
        return float(self._api.nvmlDeviceGetPowerUsage(gpu))

    def _busy(self) -> float | None:
        try:
            shares = [self._api.nvmlDeviceGetUtilizationRates(gpu).gpu for gpu in self._gpus]
        except self._api.NVMLError:
            return None  # the power is useful without the load
        return float(sum(shares)) / len(shares) / 100

    def close(self) -> None:
        """Shut NVML down."""
        try:
            self._api.nvmlShutdown()
        except self._api.NVMLError:
            return
