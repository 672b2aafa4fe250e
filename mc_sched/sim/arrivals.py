"""Streams of tasks: arrival times, payload sizes and constraints."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from mc_sched.core.task import Mode, Privacy, Task
from mc_sched.core.value import value


@value
class OpenTask:
    """A submitted task without outcome, and the number of its image in the stream."""

    image: int
    task: Task


@dataclass(frozen=True)
class Stream:
    """`tasks` tasks at a mean rate of `fps` per second, all with the same constraints."""

    tasks: int = 1000
    fps: float = 12.0
    arrivals: Literal["constant", "poisson"] = "constant"
    deadline_ns: int = 84_000_000
    accuracy: float | None = 0.75
    mode: Mode | None = None
    policy: str | None = None
    privacy: Privacy = Privacy.ANY
    payload_bytes: dict[str, int] = field(default_factory=lambda: {"jpeg": 12_000})
    """Mean size in bytes, by codec."""
    size_dispersion: float = 0.0
    """Standard deviation of the logarithm of a JPEG's size; other codecs' sizes are constant."""
    encoding_ns: int = 0
    """Time to encode the JPEG, before the task is submitted."""
    start_ns: int = 0
    """Start of the stream; frames of several edges seldom arrive at the same moment."""

    def run(self, stream_id: str, seed: str) -> Iterator[Task]:
        """Yield the tasks in order; each is made when it is requested."""
        draw = random.Random(seed)
        sent = {c: n for c, n in self.payload_bytes.items() if self.privacy.allows(c)}
        now_s = self.start_ns / 1e9
        for number in range(self.tasks):
            if self.arrivals == "poisson":
                now_s += draw.expovariate(self.fps)
                at_ns = round(now_s * 1e9)
            else:
                at_ns = self.start_ns + round(number * 1e9 / self.fps)
            sizes = sent
            if self.size_dispersion and "jpeg" in sent:
                # a factor with mean 1, so that the mean size is as given
                factor = draw.lognormvariate(-(self.size_dispersion**2) / 2, self.size_dispersion)
                sizes = {**sent, "jpeg": max(1, round(sent["jpeg"] * factor))}
            yield Task(
                task_id=f"{stream_id}-{number}",
                stream_id=stream_id,
                submitted_ns=at_ns,
                deadline_ns=self.deadline_ns,
                accuracy=self.accuracy,
                mode=self.mode,
                policy=self.policy,
                privacy=self.privacy,
                payload_bytes=sizes,
                encoding_ns=self.encoding_ns,
            )
