"""The ledger of the edge's energy: power samples over time, shared out to the tasks' work.

A sample is taken as the mean power since the one before, which is what an energy counter says and
what a rail's own averaging comes to. Such a span's joules go two ways:

    above idle, while the local net or the encoder ran   to the tasks, by their time in the span
    all the rest                                         to idle, others' programs included

An outcome carries its joules at the moment it is told, which is before its last span is measured.
So a task is *booked* with what the closed spans measured of it, and for the span that is still
open with its time at the watts learned so far. What the spans say later against what was booked is
*unsettled*; the next tasks take it over, each at most a quarter of its own joules up or down. Until
then it stands with idle, so that at any time

    tasks + idle = measured + modelled

where `modelled` is the share of the tasks' joules for time that no sensor covered: there the watts
learned so far count, or the declared ones. A gap between two samples, a step back, or another
sensor's first sample closes no span. The radio is not in this: it stays a model of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.errors import InvariantBroken
from mc_sched.core.predictors.window import FOREVER_NS, SampleWindow
from mc_sched.core.value import value

LONGEST_SPAN_NS = 2_000_000_000
"""Samples farther apart than this say nothing of what lies between."""
IDLE_QUANTILE = 0.25
"""Of the samples while nothing of ours runs; low, as other programs come and go in them."""
IDLE_SAMPLES, FEWEST_IDLE_SAMPLES = 256, 5

KNOWN_NS = 500_000_000
"""Measured work after which the learned watts replace the declared ones."""
FORGETTING = 0.98
"""What one more span leaves of the older spans' weight in the learned watts: about 50 count."""
LARGEST_CORRECTION = 0.25
"""Most of the unsettled joules that a task takes over, as a share of its own."""
CLOSES_WITHIN = 1e-6
"""Relative error of the books that is rounding; more is a defect."""


class Part(str, Enum):
    """What the device works on for a task."""

    COMPUTE = "compute"
    ENCODE = "encode"


@value
class Work:
    """A piece of a task's work on the device; `end_ns` is now while it still runs."""

    part: Part
    start_ns: int
    end_ns: int

    def overlap_ns(self, start_ns: int, end_ns: int) -> int:
        """How much of it lies between the two moments."""
        return max(0, min(self.end_ns, end_ns) - max(self.start_ns, start_ns))


@value
class Charge:
    """Joules of a task, and who says so: a sensor, the model, or both."""

    compute_j: float
    encode_j: float
    source: str


@dataclass
class _Account:
    """What closed spans have measured of one part of an open task."""

    joules: float = 0.0
    covered_ns: int = 0


TaskWork = tuple[str, Sequence[Work]]
"""A task's id, and all its work so far."""


class EnergyLedger:
    """One device's energy, from its power samples and its tasks' work."""

    def __init__(self, model: EnergyModel) -> None:
        self._model = model
        self.measured_j = 0.0
        """Integrated power."""
        self.modelled_j = 0.0
        self.tasks_j = 0.0
        """Charged to the tasks."""
        self._rest_j = 0.0
        """Measured and nobody's."""
        self._unsettled_j = 0.0
        """Measured of told tasks, less what was booked on them; open spans' estimates left out."""
        self._pending_j = 0.0
        """Charged for the span that is still open."""
        self._accounts: dict[str, dict[Part, _Account]] = {}
        self._told: list[Work] = []
        """Work in the open span of tasks whose outcome is told."""
        self._sampled_ns = 0
        self._sampled_w = 0.0
        self._source = ""
        self._forget()

    def _forget(self) -> None:
        """Another sensor sees another part of the machine: what was learned does not hold."""
        prior = (self._model.idle_w,) * FEWEST_IDLE_SAMPLES
        self._idle = SampleWindow(prior, IDLE_SAMPLES, FOREVER_NS)
        self._learned_j = 0.0
        self._learned_ns = 0.0

    # --- what is known ----------------------------------------------------------------------

    @property
    def idle_w(self) -> float:
        """Watts while nothing of ours runs: learned, or declared until a few samples are there."""
        return self._idle.quantile(self._sampled_ns, IDLE_QUANTILE)

    @property
    def compute_w(self) -> float:
        """Watts above idle while one thing of ours runs: learned, or declared until they are."""
        if self._learned_ns < KNOWN_NS:
            return self._model.compute_w
        return self._learned_j / (self._learned_ns * 1e-9)

    @property
    def idle_j(self) -> float:
        """Measured joules that no task has been booked with."""
        return self._rest_j + self._unsettled_j + self._on_accounts_j

    @property
    def _on_accounts_j(self) -> float:
        accounts = (parts.values() for parts in self._accounts.values())
        return sum(account.joules for parts in accounts for account in parts)

    def compute_j(self, duration_ns: int) -> float:
        """Joules above idle that work of this duration is expected to cost."""
        return self.compute_w * duration_ns * 1e-9

    def source(self, now_ns: int) -> str:
        """The sensor in use, or the model's name."""
        return self._source if self._is_live(now_ns) else self._model.source

    def power_w(self, now_ns: int) -> float | None:
        """The last sample; None if there is none, or none lately."""
        return self._sampled_w if self._is_live(now_ns) else None

    def _is_live(self, now_ns: int) -> bool:
        return bool(self._source) and now_ns - self._sampled_ns <= LONGEST_SPAN_NS

    # --- a sample ---------------------------------------------------------------------------

    def sampled(self, now_ns: int, power_w: float, source: str, tasks: Iterable[TaskWork]) -> None:
        """Close the span since the last sample; `tasks` are those without an outcome."""
        span_ns = now_ns - self._sampled_ns
        known = self._source == source
        if known and 0 < span_ns <= LONGEST_SPAN_NS:
            self._close_span(now_ns, power_w, list(tasks))
        elif known and span_ns == 0:
            return
        else:
            self._skip_span()
        if not known:
            self._source = source
            self._forget()
        self._sampled_w, self._sampled_ns = power_w, now_ns
        self._told.clear()

    def _close_span(self, now_ns: int, power_w: float, tasks: list[TaskWork]) -> None:
        start_ns, span_s = self._sampled_ns, (now_ns - self._sampled_ns) * 1e-9
        told_ns = sum(work.overlap_ns(start_ns, now_ns) for work in self._told)
        open_ns = {
            (task_id, part): ns
            for task_id, works in tasks
            for part, ns in _by_part(works, start_ns, now_ns).items()
        }
        busy_ns = told_ns + sum(open_ns.values())
        if not busy_ns:
            self._idle.add(now_ns, power_w)
        above_j = max(0.0, power_w - self.idle_w) * span_s if busy_ns else 0.0
        self.measured_j += power_w * span_s
        self._rest_j += power_w * span_s - above_j
        if not busy_ns:
            return
        for (task_id, part), ns in open_ns.items():
            account = self._accounts.setdefault(task_id, {}).setdefault(part, _Account())
            account.joules += above_j * ns / busy_ns
            account.covered_ns += ns
        self._unsettled_j += above_j * told_ns / busy_ns - self._pending_j
        self._pending_j = 0.0
        self._learned_j = FORGETTING * self._learned_j + above_j
        self._learned_ns = FORGETTING * self._learned_ns + busy_ns

    def _skip_span(self) -> None:
        """Nobody measures what was booked for it: that was the model's word after all."""
        self.modelled_j += self._pending_j
        self._pending_j = 0.0

    # --- an outcome -------------------------------------------------------------------------

    def charge(self, now_ns: int, task_id: str, works: Sequence[Work]) -> Charge:
        """The joules of a task whose outcome is told now; no work of its runs any more."""
        if not self._source:
            return self._charge_modelled(works)
        live = self._is_live(now_ns)
        all_ns = _by_part(works)
        open_ns = _by_part(works, self._sampled_ns) if live else {}
        accounts = self._accounts.pop(task_id, {})
        shares = {
            part: _Share(accounts.get(part, _Account()), all_ns.get(part, 0), open_ns.get(part, 0))
            for part in all_ns.keys() | accounts.keys()
        }
        estimated_j = sum(self.compute_j(share.open_ns) for share in shares.values())
        modelled_j = sum(self.compute_j(share.uncovered_ns) for share in shares.values())
        sensed_j = estimated_j + sum(share.account.joules for share in shares.values())
        correction_j = _between(self._unsettled_j, LARGEST_CORRECTION * sensed_j)
        factor = 1 + correction_j / sensed_j if sensed_j else 1.0
        self._pending_j += estimated_j
        self._unsettled_j -= correction_j
        self.modelled_j += modelled_j
        self.tasks_j += sensed_j + correction_j + modelled_j
        if live:
            self._told += works

        def charged_j(part: Part) -> float:
            share = shares.get(part, _Share(_Account(), 0, 0))
            sensed_j = share.account.joules + self.compute_j(share.open_ns)
            return sensed_j * factor + self.compute_j(share.uncovered_ns)

        return Charge(
            charged_j(Part.COMPUTE), charged_j(Part.ENCODE), self._source_of(shares.values())
        )

    def _charge_modelled(self, works: Sequence[Work]) -> Charge:
        """No sensor has spoken yet."""
        compute_j = encode_j = 0.0
        for work in works:
            joules = self.compute_j(work.end_ns - work.start_ns)
            if work.part is Part.COMPUTE:
                compute_j += joules
            else:
                encode_j += joules
        self.modelled_j += compute_j + encode_j
        self.tasks_j += compute_j + encode_j
        return Charge(compute_j, encode_j, self._model.source)

    def _source_of(self, shares: Collection[_Share]) -> str:
        sensed = any(share.open_ns or share.account.covered_ns for share in shares)
        modelled = any(share.uncovered_ns for share in shares) or not sensed
        names = {self._source} if sensed else set()
        return "+".join(sorted(names | ({self._model.source} if modelled else set())))

    # --- invariants -------------------------------------------------------------------------

    def validate(self) -> None:
        """Raise InvariantBroken if the books do not close."""
        told_j = self.tasks_j + self.idle_j
        known_j = self.measured_j + self.modelled_j + self._pending_j
        if abs(told_j - known_j) > CLOSES_WITHIN * max(1.0, known_j, abs(self.tasks_j)):
            raise InvariantBroken(f"energy: tasks and idle are {told_j} J, all is {known_j} J")


@value
class _Share:
    """One part of a task when it is booked: what is measured of it, not yet, or never."""

    account: _Account
    all_ns: int
    reaching_ns: int
    """Time behind the last sample."""

    @property
    def open_ns(self) -> int:
        """Time in the open span, which will be measured."""
        return min(self.reaching_ns, max(0, self.all_ns - self.account.covered_ns))

    @property
    def uncovered_ns(self) -> int:
        """Time that no span covers."""
        return max(0, self.all_ns - self.account.covered_ns - self.open_ns)


def _by_part(works: Sequence[Work], start_ns: int = 0, end_ns: int = FOREVER_NS) -> dict[Part, int]:
    """Time of each part between the two moments; parts without any are left out."""
    spent: dict[Part, int] = {}
    for work in works:
        ns = work.overlap_ns(start_ns, end_ns)
        if ns:
            spent[work.part] = spent.get(work.part, 0) + ns
    return spent


def _between(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))
