"""The ledger of the edge's energy: power samples over time, divided among the tasks.

A sample counts as the mean power since the last one, as an energy counter or an averaging power
rail gives it. The energy of such a span is divided:

    above idle, while the local net or the encoder ran   to the tasks, by their time in the span
    all the rest                                         to idle, including other programs

An outcome is reported, with its energy, before its last span is measured. So a task is *charged*
the energy that closed spans measured for it, plus its time in the open span times the power learned
so far. The difference to the later measurement is *carried over* to the next tasks, each of which
takes at most a quarter of its own energy. Until then it counts as idle, so that at any time

    tasks + idle = measured + modelled

`modelled` is the tasks' energy for time that no sensor covered, at the learned power or, before
that, the declared power. A gap between two samples, a step of the clock, or the first sample of
another sensor closes no span. The radio is not measured; it has a model of its own.
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
"""Longest span between two samples; a longer gap counts as not measured."""
IDLE_QUANTILE = 0.25
"""Idle power is this quantile of the samples without tasks' work; it is low because other programs
run in some of them."""
IDLE_SAMPLES, FEWEST_IDLE_SAMPLES = 256, 5

KNOWN_NS = 500_000_000
"""Measured work after which the learned power replaces the declared power."""
FORGETTING = 0.98
"""Factor on the weight of older spans per new span; about the last 50 spans count."""
LARGEST_CORRECTION = 0.25
"""Largest part of the carried-over energy that a task takes, as a share of its own energy."""
LARGEST_ROUNDING = 1e-6
"""Largest relative error of the balance that is rounding; a larger one is a defect."""


class Part(str, Enum):
    """Kind of work that the device does for a task."""

    COMPUTE = "compute"
    ENCODE = "encode"


@value
class Work:
    """A piece of a task's work on the device; `end_ns` is the present while it runs."""

    part: Part
    start_ns: int
    end_ns: int

    def overlap_ns(self, start_ns: int, end_ns: int) -> int:
        """Time of the work between the two moments."""
        return max(0, min(self.end_ns, end_ns) - max(self.start_ns, start_ns))


@value
class Charge:
    """Energy charged to a task, and its source: a sensor, the model, or both."""

    compute_j: float
    encode_j: float
    source: str


@dataclass
class _Account:
    """Measured energy of one part of an open task, from closed spans."""

    joules: float = 0.0
    covered_ns: int = 0


TaskWork = tuple[str, Sequence[Work]]
"""A task's id, and all its work so far."""


class EnergyLedger:
    """Energy of one device, from its power samples and its tasks' work."""

    def __init__(self, model: EnergyModel) -> None:
        self._model = model
        self.measured_j = 0.0
        """Integral of the measured power."""
        self.modelled_j = 0.0
        self.tasks_j = 0.0
        """Charged to the tasks."""
        self._rest_j = 0.0
        """Measured energy that is not due to any task's work."""
        self._carried_j = 0.0
        """Measured energy of reported tasks minus their charges, without open spans' estimates."""
        self._pending_j = 0.0
        """Charged for the span that is still open."""
        self._accounts: dict[str, dict[Part, _Account]] = {}
        self._reported: list[Work] = []
        """Work in the open span of tasks whose outcome has been reported."""
        self._sampled_ns = 0
        self._sampled_w = 0.0
        self._source = ""
        self._reset_learned()

    def _reset_learned(self) -> None:
        """Forget the learned power, which does not hold for another sensor."""
        prior = (self._model.idle_w,) * FEWEST_IDLE_SAMPLES
        self._idle = SampleWindow(prior, IDLE_SAMPLES, FOREVER_NS)
        self._learned_j = 0.0
        self._learned_ns = 0.0

    # --- state ------------------------------------------------------------------------------

    @property
    def idle_w(self) -> float:
        """Power without tasks' work: learned, or the declared one until there are samples."""
        return self._idle.quantile(self._sampled_ns, IDLE_QUANTILE)

    @property
    def compute_w(self) -> float:
        """Power above idle during one piece of work: learned, or declared until it is."""
        if self._learned_ns < KNOWN_NS:
            return self._model.compute_w
        return self._learned_j / (self._learned_ns * 1e-9)

    @property
    def idle_j(self) -> float:
        """Measured energy that no task has been charged."""
        return self._rest_j + self._carried_j + self._on_accounts_j

    @property
    def _on_accounts_j(self) -> float:
        accounts = (parts.values() for parts in self._accounts.values())
        return sum(account.joules for parts in accounts for account in parts)

    def compute_j(self, duration_ns: int) -> float:
        """Expected energy above idle of work of this duration, in joules."""
        return self.compute_w * duration_ns * 1e-9

    def source(self, now_ns: int) -> str:
        """The sensor in use, or the model's name."""
        return self._source if self._is_live(now_ns) else self._model.source

    def power_w(self, now_ns: int) -> float | None:
        """The last sample; None if there is none or it is too old."""
        return self._sampled_w if self._is_live(now_ns) else None

    def _is_live(self, now_ns: int) -> bool:
        return bool(self._source) and now_ns - self._sampled_ns <= LONGEST_SPAN_NS

    # --- a sample ---------------------------------------------------------------------------

    def sampled(self, now_ns: int, power_w: float, source: str, tasks: Iterable[TaskWork]) -> None:
        """Take a sample and close the span before it; `tasks` are those without an outcome."""
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
            self._reset_learned()
        self._sampled_w, self._sampled_ns = power_w, now_ns
        self._reported.clear()

    def _close_span(self, now_ns: int, power_w: float, tasks: list[TaskWork]) -> None:
        start_ns, span_s = self._sampled_ns, (now_ns - self._sampled_ns) * 1e-9
        reported_ns = sum(work.overlap_ns(start_ns, now_ns) for work in self._reported)
        open_ns = {
            (task_id, part): ns
            for task_id, works in tasks
            for part, ns in _by_part(works, start_ns, now_ns).items()
        }
        busy_ns = reported_ns + sum(open_ns.values())
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
        self._carried_j += above_j * reported_ns / busy_ns - self._pending_j
        self._pending_j = 0.0
        self._learned_j = FORGETTING * self._learned_j + above_j
        self._learned_ns = FORGETTING * self._learned_ns + busy_ns

    def _skip_span(self) -> None:
        """Count the charges for the open span as modelled, since it will not be measured."""
        self.modelled_j += self._pending_j
        self._pending_j = 0.0

    # --- an outcome -------------------------------------------------------------------------

    def charge(self, now_ns: int, task_id: str, works: Sequence[Work]) -> Charge:
        """Charge a task whose outcome is reported now; its work has ended."""
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
        correction_j = _between(self._carried_j, LARGEST_CORRECTION * sensed_j)
        factor = 1 + correction_j / sensed_j if sensed_j else 1.0
        self._pending_j += estimated_j
        self._carried_j -= correction_j
        self.modelled_j += modelled_j
        self.tasks_j += sensed_j + correction_j + modelled_j
        if live:
            self._reported += works

        def charged_j(part: Part) -> float:
            share = shares.get(part, _Share(_Account(), 0, 0))
            sensed_j = share.account.joules + self.compute_j(share.open_ns)
            return sensed_j * factor + self.compute_j(share.uncovered_ns)

        return Charge(
            charged_j(Part.COMPUTE), charged_j(Part.ENCODE), self._source_of(shares.values())
        )

    def _charge_modelled(self, works: Sequence[Work]) -> Charge:
        """Charge a task before the first sample of any sensor."""
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
        """Raise InvariantBroken if tasks and idle do not add up to all energy."""
        balance_j = self.tasks_j + self.idle_j
        known_j = self.measured_j + self.modelled_j + self._pending_j
        if abs(balance_j - known_j) > LARGEST_ROUNDING * max(1.0, known_j, abs(self.tasks_j)):
            raise InvariantBroken(
                f"energy: tasks and idle are {balance_j} J, measured and modelled {known_j} J"
            )


@value
class _Share:
    """One part of a task when it is charged: its measured, open and uncovered time."""

    account: _Account
    all_ns: int
    reaching_ns: int
    """Time after the last sample."""

    @property
    def open_ns(self) -> int:
        """Time in the open span, which the next sample will measure."""
        return min(self.reaching_ns, max(0, self.all_ns - self.account.covered_ns))

    @property
    def uncovered_ns(self) -> int:
        """Time that no span covers or will cover."""
        return max(0, self.all_ns - self.account.covered_ns - self.open_ns)


def _by_part(works: Sequence[Work], start_ns: int = 0, end_ns: int = FOREVER_NS) -> dict[Part, int]:
    """Time of each part between the two moments, without parts that have none."""
    spent: dict[Part, int] = {}
    for work in works:
        ns = work.overlap_ns(start_ns, end_ns)
        if ns:
            spent[work.part] = spent.get(work.part, 0) + ns
    return spent


def _between(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))
