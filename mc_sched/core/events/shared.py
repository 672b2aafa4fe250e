"""Events of both machines."""

from __future__ import annotations

from mc_sched.core.value import value


@value
class LinkSampled:
    """A probe was answered after `rtt_ns`.

    On the edge, it brings the cloud's load; `held_ns` of the round trip passed in the cloud, and
    the padding was `up_bytes` and `down_bytes`. In the cloud, the edge `edge_id` has reported it.
    """

    now_ns: int
    rtt_ns: int
    queue_ns: int = 0
    slowdown: float = 1.0
    edge_id: str = ""
    held_ns: int = 0
    up_bytes: int = 0
    down_bytes: int = 0


@value
class ClientGone:
    """The task's client no longer waits for it; the cloud's client is the edge."""

    now_ns: int
    task_id: str


@value
class Drain:
    """Refuse new tasks from now on; open ones finish."""

    now_ns: int
