"""EdgeMachine: Algorithm I of the paper as a state machine.

`handle(event)` takes what happened and returns what to do about it, in order. The driver does it
and reports back with further events; see `events.py` for what they promise. A task passes through
here once per event:

    Submitted -> view -> policy -> a queue (edge or uplink, earliest deadline first)
    -> the encoder, where the payload has to be made -> a site
    -> its answer, its deadline, its fallback timer or its loss -> Finish

`_advance` runs after every event but mere progress and is the only place where queued work is
started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge_books import EdgeBooks, EdgeSnapshot
from mc_sched.core.edge_forecast import MOST_UPLOADS, EdgeForecast
from mc_sched.core.edge_invariants import IN_FLIGHT, check_edge
from mc_sched.core.edge_lessons import EdgeLessons
from mc_sched.core.edge_task import EdgeTask
from mc_sched.core.energy import RadioTail
from mc_sched.core.energy_ledger import EnergyLedger
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.histogram import Histogram
from mc_sched.core.policies import PARTITIONERS, POLICIES
from mc_sched.core.policy import Decision, EdgeFirst, Offload, Refuse, RunOnEdge, View
from mc_sched.core.predictors.link import Padding
from mc_sched.core.scores import Score
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import LocalTable
from mc_sched.core.tally import Tally
from mc_sched.core.task import Outcome, OutcomeKind, Prediction, Site, Task
from mc_sched.core.transitions import CloudLeg, LocalLeg

DRAINING = "the agent is shutting down; submit again when it is back"
"""Why a task is refused that a client may well submit again."""
PROGRESS = frozenset(
    (ev.LocalStarted, ev.LocalLayerDone, ev.CloudProgressed, ev.DeviceSampled, ev.PowerSampled)
)
"""Events after which nothing can start that could not before."""
TIMERS = tuple(TimerKind)
ASKED_NS = 10 * 10**9
"""How long after the last task the link is still measured for the next one."""


class EdgeMachine:
    """The MC scheduler of one edge device."""

    def __init__(self, settings: EdgeSettings, local: LocalTable) -> None:
        self._settings = settings
        self._ledger, self._tail = EnergyLedger(settings.energy), RadioTail(settings.energy.radio)
        self._forecast = EdgeForecast(settings, local, self._ledger, self._tail)
        self._lessons = EdgeLessons(self._forecast)
        self._books = EdgeBooks(settings, self._ledger, self._tail)
        self._tasks: dict[str, EdgeTask] = {}
        self._open = 0
        self._most_uploads = settings.max_uploads or MOST_UPLOADS
        """The highest max_uploads so far: uploads that a lower one would forbid may still run."""
        self._draining = False
        self._submitted_ns = -ASKED_NS
        self._now_ns = 0
        self._actions: list[do.EdgeAction] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Submitted: self._on_submitted,
            ev.LocalStarted: self._on_local_started,
            ev.LocalLayerDone: self._on_local_layer_done,
            ev.LocalDone: self._on_local_done,
            ev.LocalAborted: self._on_local_aborted,
            ev.LocalFailed: self._on_local_failed,
            ev.Encoded: self._on_encoded,
            ev.EncodeFailed: self._on_encode_failed,
            ev.CloudAccepted: self._on_cloud_accepted,
            ev.CloudRefused: self._on_cloud_refused,
            ev.CloudProgressed: self._on_cloud_progressed,
            ev.CloudReplied: self._on_cloud_replied,
            ev.CloudStopped: self._on_cloud_stopped,
            ev.CloudLost: self._on_cloud_lost,
            ev.CloudFound: lambda event: self._forecast.cloud_found(event.table),
            ev.CloudGone: self._on_cloud_gone,
            ev.LinkSampled: self._on_link_sampled,
            ev.DeviceSampled: self._on_device_sampled,
            ev.PowerSampled: self._on_power_sampled,
            ev.TimerFired: self._on_timer_fired,
            ev.ClientGone: self._on_client_gone,
            ev.NotSatisfied: self._on_not_satisfied,
            ev.EdgeReconfigured: self._on_reconfigured,
            ev.Drain: self._on_drain,
        }

    # --- the two calls of a driver ----------------------------------------------------------

    def handle(self, event: ev.EdgeEvent) -> list[do.EdgeAction]:
        """Take one event, return the actions it calls for, in order.

        Raises UnexpectedEvent where the tables allow no such event.
        """
        self._now_ns = event.now_ns
        self._actions = []
        kind = type(event)
        self._handlers[kind](event)
        if self._tasks and kind not in PROGRESS:
            self._advance()
        return self._actions

    def snapshot(self, now_ns: int) -> EdgeSnapshot:
        """What `status` shows."""
        return self._books.snapshot(self._forecast, now_ns, self._open, self._draining)

    def wanted_padding(self, now_ns: int) -> Padding:
        """What the next probe should carry to learn the link: nothing beside an upload.

        Nor while no tasks come, once the link has been seen: nobody asks then.
        """
        asked = now_ns - self._submitted_ns <= ASKED_NS
        sending = any(entry.cloud is CloudLeg.UPLOADING for entry in self._tasks.values())
        if sending or not (asked or self._forecast.link.never_measured):
            return Padding()
        return self._forecast.link.wanted_padding(now_ns)

    def tally(self) -> Tally:
        """Endings, latencies and slack since the start."""
        return self._books.tally.copy()

    def took(self) -> dict[str, Histogram]:
        """How long everything took that was forecast, by predictor."""
        return self._books.scores.took()

    def view(self, task: Task, now_ns: int) -> View:
        """What a policy would be shown of this task now; the task need not be known here."""
        entry = EdgeTask(task, self._books.required_accuracy(task))
        return self._look(entry, task.policy or self._settings.policy, now_ns)

    def _look(self, entry: EdgeTask, policy: str, now_ns: int) -> View:
        forecast = self._forecast
        look = forecast.partition_view if policy in PARTITIONERS else forecast.view
        return look(entry, now_ns, self._tasks.values())

    @property
    def is_idle(self) -> bool:
        """Whether no task is open and no leg is moving."""
        return not self._tasks

    # --- arrival and decision ---------------------------------------------------------------

    def _on_submitted(self, event: ev.Submitted) -> None:
        self._must_be_new(event.task)
        self._admit(event.task)

    def _on_not_satisfied(self, event: ev.NotSatisfied) -> None:
        self._must_be_new(event.again)
        self._books.raise_accuracy(event.again.stream_id, event.again.accuracy)
        self._admit(event.again)

    def _must_be_new(self, task: Task) -> None:
        known = self._tasks.get(task.task_id)
        if known is not None and known.open:
            raise UnexpectedEvent("edge", "open", f"second task {task.task_id}", known.told())

    def _admit(self, task: Task) -> None:
        entry = EdgeTask(task, self._books.required_accuracy(task))
        self._open += 1
        self._submitted_ns = self._now_ns
        self._note(entry, "Submitted")
        if task.task_id in self._tasks:
            reason = "a task of this id has ended but is still being stopped; use another id"
            self._finish(entry, OutcomeKind.REFUSED, reason=reason)
            return
        self._tasks[task.task_id] = entry
        self._apply(entry, self._decide(entry))

    def _decide(self, entry: EdgeTask) -> Decision | str:
        if self._draining:
            return DRAINING
        if self._open > self._settings.max_tasks:
            return f"{self._settings.max_tasks} tasks are open already, the limit max_tasks"
        name, task = entry.task.policy or self._settings.policy, entry.task
        view = self._look(entry, name, self._now_ns)
        entry.options = view.cloud
        decision = POLICIES[name](task, view)
        offload = decision.offload if isinstance(decision, EdgeFirst) else decision
        if isinstance(offload, Offload) and not task.privacy.allows(offload.codec):
            return f"policy {name} would send {offload.codec} against the task's privacy demand"
        return decision

    def _apply(self, entry: EdgeTask, decision: Decision | str) -> None:
        if isinstance(decision, str):
            self._finish(entry, OutcomeKind.REFUSED, reason=decision)
        elif isinstance(decision, Refuse):
            reason = "; ".join(shortfall.sentence() for shortfall in decision.shortfalls)
            self._finish(entry, OutcomeKind.REFUSED, reason=reason)
        else:
            self._set_timer(entry, TimerKind.DEADLINE, entry.task.due_ns)
            if isinstance(decision, Offload):
                self._offload(entry, decision)
            else:
                self._run_here(entry, decision)

    def _run_here(self, entry: EdgeTask, decision: RunOnEdge | EdgeFirst) -> None:
        if isinstance(decision, EdgeFirst):
            entry.first = decision
        else:
            self._runs_here(entry, decision.exit)
        self._queue_here(entry)
        waited_ns = self._now_ns - entry.task.submitted_ns
        entry.predicted_ns = waited_ns + entry.expected_here.upper_ns

    def _runs_here(self, entry: EdgeTask, exit_: str) -> None:
        """What this task runs here, if it does: the cloud net up to an exit, or the local net."""
        if exit_:
            entry.here_exit, entry.here_ns = exit_, self._forecast.whole_ns(exit_)

    def _offload(self, entry: EdgeTask, offload: Offload) -> None:
        waited_ns = self._now_ns - entry.task.submitted_ns
        entry.offload, entry.predicted_ns = offload, waited_ns + offload.predicted_ns
        entry.payload_bytes = self._forecast.payload_bytes(entry.task, offload.codec)
        entry.wanted_by_ns, entry.decided_ns = entry.task.due_ns, self._now_ns
        entry.move_cloud("queue")
        if not offload.fallback:
            return
        self._runs_here(entry, offload.rescue_exit)
        if not offload.take_back or not self._local_is_accurate(entry):
            return
        at_ns = self._now_ns + self._forecast.take_back_ns(
            entry, self._now_ns, self._tasks.values()
        )
        if at_ns > self._now_ns:
            self._set_timer(entry, TimerKind.FALLBACK, at_ns)
            if offload.before_take_back:
                entry.wanted_by_ns = at_ns

    # --- the local leg ----------------------------------------------------------------------

    def _queue_here(self, entry: EdgeTask) -> None:
        entry.expected_here = self._forecast.here(entry, self._now_ns, self._tasks.values())
        entry.decided_ns = self._now_ns
        entry.move_local("queue")

    def _on_local_started(self, event: ev.LocalStarted) -> None:
        entry = self._entry(event, event.task_id)
        entry.move_local("LocalStarted")
        if entry.local is LocalLeg.RUNNING:
            self._forecast.local.started(event.now_ns, entry.here_ns)

    def _on_local_layer_done(self, event: ev.LocalLayerDone) -> None:
        entry = self._tasks.get(event.task_id)
        if entry is None:
            raise UnexpectedEvent("edge", "unknown task", "LocalLayerDone", (event.task_id,))
        entry.move_local("LocalLayerDone")
        self._forecast.local.layer_done(event.now_ns, event.layer)

    def _on_local_done(self, event: ev.LocalDone) -> None:
        entry = self._local_ended(event, event.task_id, whole=True)
        if not entry.open:
            return
        first = entry.first
        if first is not None and event.prediction.entropy > first.threshold.entropy:
            entry.unsure = event.prediction
            self._ask_the_cloud(entry, first.offload)
        else:
            self._answer_here(entry, event.prediction)

    def _ask_the_cloud(self, entry: EdgeTask, offload: Offload) -> None:
        """The local net is not sure: the image goes up, if there is a way by now."""
        if not self._forecast.cloud_usable:
            self._answer_unsure(entry)
            return
        view = self._forecast.view(entry, self._now_ns, self._tasks.values())
        entry.options = view.cloud
        self._offload(entry, offload)

    def _answer_here(self, entry: EdgeTask, prediction: Prediction) -> None:
        name = entry.here_exit or self._forecast.local_table.name
        self._answer(entry, Site.EDGE, name, prediction)

    def _answer_unsure(self, entry: EdgeTask) -> None:
        """The cloud will not answer: the local net's answer stands, as unsure as it is."""
        assert entry.unsure is not None
        self._answer_here(entry, entry.unsure)

    def _on_local_aborted(self, event: ev.LocalAborted) -> None:
        self._local_ended(event, event.task_id, whole=False)

    def _on_local_failed(self, event: ev.LocalFailed) -> None:
        entry = self._local_ended(event, event.task_id, whole=False)
        if entry.open and entry.cloud not in IN_FLIGHT:
            self._finish(entry, OutcomeKind.FAILED, reason=f"local net: {event.reason}")

    def _local_ended(self, event: ev.EdgeEvent, task_id: str, whole: bool) -> EdgeTask:
        entry = self._entry(event, task_id)
        entry.move_local(type(event).__name__)
        entry.compute_ns = event.now_ns - entry.local_started_ns
        self._record(entry, self._lessons.run_ended(entry, event.now_ns, whole))
        return entry

    # --- the cloud leg ----------------------------------------------------------------------

    def _on_encoded(self, event: ev.Encoded) -> None:
        entry = self._entry(event, event.task_id)
        entry.move_cloud("Encoded")
        self._record(entry, self._lessons.encoded(entry, event))

    def _on_encode_failed(self, event: ev.EncodeFailed) -> None:
        entry = self._cloud_closed(event, event.task_id)
        self._rescue(entry, OutcomeKind.FAILED, f"{entry.codec} encoder: {event.reason}")

    def _on_cloud_accepted(self, event: ev.CloudAccepted) -> None:
        entry = self._entry(event, event.task_id)
        first_upload = entry.cloud is CloudLeg.UPLOADING
        entry.move_cloud("CloudAccepted")
        if first_upload:
            self._record(entry, self._lessons.accepted(entry, event))

    def _on_cloud_progressed(self, event: ev.CloudProgressed) -> None:
        entry = self._entry(event, event.task_id)
        entry.move_cloud("CloudProgressed")
        entry.promised_by_ns = event.now_ns + event.remaining_ns

    def _on_cloud_replied(self, event: ev.CloudReplied) -> None:
        entry = self._entry(event, event.task_id)
        cloud = self._forecast.cloud
        if cloud is None or event.exit not in cloud.table.exit_names:
            raise UnexpectedEvent("edge", "no such exit", f"{event}", entry.told())
        entry.move_cloud("CloudReplied")
        self._record(entry, self._lessons.replied(entry, event))
        if entry.open:
            self._answer(entry, Site.CLOUD, event.exit, event.prediction)

    def _on_cloud_refused(self, event: ev.CloudRefused) -> None:
        entry = self._cloud_closed(event, event.task_id)
        self._rescue(entry, OutcomeKind.REFUSED, f"cloud: {event.reason}")

    def _on_cloud_stopped(self, event: ev.CloudStopped) -> None:
        entry = self._cloud_closed(event, event.task_id)
        entry.cloud_compute_ns = event.compute_ns
        kind = OutcomeKind.FAILED if event.failed else OutcomeKind.LATE
        self._rescue(entry, kind, f"the cloud stopped: {event.reason}")

    def _on_cloud_lost(self, event: ev.CloudLost) -> None:
        entry = self._cloud_closed(event, event.task_id)
        self._rescue(entry, OutcomeKind.FAILED, f"the cloud was lost: {event.reason}")

    def _cloud_closed(self, event: ev.EdgeEvent, task_id: str) -> EdgeTask:
        entry = self._entry(event, task_id)
        self._lessons.off_the_air(entry, event.now_ns, whole=isinstance(event, ev.CloudRefused))
        entry.move_cloud(type(event).__name__)
        if not any(other.cloud is CloudLeg.RUNNING for other in self._tasks.values()):
            self._forecast.cloud_idle()
        return entry

    def _on_cloud_gone(self, event: ev.CloudGone) -> None:
        self._forecast.cloud_gone(event.reason)
        for entry in list(self._tasks.values()):
            if entry.cloud in (CloudLeg.QUEUED, CloudLeg.ENCODING):
                self._leave_cloud(entry)
                self._rescue(entry, OutcomeKind.FAILED, f"the cloud was lost: {event.reason}")

    def _rescue(self, entry: EdgeTask, otherwise: OutcomeKind, reason: str) -> None:
        """The cloud will not answer: run the task here if that can be in time, else end it."""
        if entry.open and entry.unsure is not None:
            self._answer_unsure(entry)
        if not entry.open or entry.local is not LocalLeg.IDLE:
            return
        self._cancel_timer(entry, TimerKind.FALLBACK)
        fallback = entry.offload is not None and entry.offload.fallback
        if fallback and self._local_can_serve(entry):
            self._queue_here(entry)
        else:
            self._finish(entry, otherwise, reason=reason)

    # --- timers, users, the device ----------------------------------------------------------

    def _on_timer_fired(self, event: ev.TimerFired) -> None:
        entry = self._entry(event, event.task_id, event.kind.value)
        if event.kind not in entry.timers:
            raise UnexpectedEvent("edge", "no such timer", f"{event}", entry.told())
        entry.timers.discard(event.kind)
        if event.kind is TimerKind.DEADLINE:
            if entry.cloud in IN_FLIGHT:
                self._forecast.cloud_in_time = False
            self._finish(entry, OutcomeKind.LATE, reason="no result at the deadline")
        elif self._local_can_serve(entry) and not self._is_promised(entry):
            # only the local net can still be in time for certain: Algorithm I, lines 24 to 27
            self._leave_cloud(entry)
            self._queue_here(entry)

    def _on_client_gone(self, event: ev.ClientGone) -> None:
        entry = self._tasks.get(event.task_id)
        if entry is not None and entry.open:
            self._note(entry, "ClientGone")
            self._finish(entry, OutcomeKind.FAILED, reason="the client left")

    def _on_link_sampled(self, event: ev.LinkSampled) -> None:
        self._lessons.probed(event)
        self._books.probed(event)

    def _on_device_sampled(self, event: ev.DeviceSampled) -> None:
        self._forecast.local.busy_by_others = event.busy

    def _on_power_sampled(self, event: ev.PowerSampled) -> None:
        open_tasks = (entry for entry in self._tasks.values() if entry.open)
        works = ((entry.task.task_id, entry.work(event.now_ns)) for entry in open_tasks)
        self._ledger.sampled(event.now_ns, event.power_w, event.source, works)

    def _on_reconfigured(self, event: ev.EdgeReconfigured) -> None:
        self._settings = event.settings
        self._most_uploads = max(self._most_uploads, event.settings.max_uploads or MOST_UPLOADS)
        self._forecast.reconfigure(event.settings)
        self._books.reconfigure(event.settings)

    def _on_drain(self, event: ev.Drain) -> None:
        self._draining = True

    # --- ending a task ----------------------------------------------------------------------

    def _answer(self, entry: EdgeTask, site: Site, exit_: str, prediction: Prediction) -> None:
        """Output a result the moment it arrives."""
        accuracy = self._expected_accuracy(entry, site, exit_)
        if self._now_ns > entry.task.due_ns:
            kind, reason = OutcomeKind.LATE, "the result came after the deadline"
        elif accuracy < entry.accuracy:
            reason = f"expected accuracy {accuracy:.3f} is below {entry.accuracy:.3f}"
            if site is Site.CLOUD and entry.first is None:
                self._rescue(entry, OutcomeKind.FAILED, reason)
                return
            kind = OutcomeKind.FAILED
        else:
            kind, reason = OutcomeKind.SUCCEEDED, ""
        self._finish(entry, kind, site, exit_, prediction, accuracy, reason)

    def _finish(
        self,
        entry: EdgeTask,
        kind: OutcomeKind,
        site: Site | None = None,
        exit_: str | None = None,
        prediction: Prediction | None = None,
        accuracy: float | None = None,
        reason: str = "",
    ) -> None:
        for timer in TIMERS:
            self._cancel_timer(entry, timer)
        self._leave_local(entry)
        self._leave_cloud(entry)
        self._open -= 1
        entry.energy = self._books.spent(entry, self._now_ns)
        entry.outcome = Outcome(
            task_id=entry.task.task_id,
            stream_id=entry.task.stream_id,
            kind=kind,
            latency_ns=self._now_ns - entry.task.submitted_ns,
            site=site,
            exit=exit_,
            prediction=prediction,
            expected_accuracy=accuracy,
            required_accuracy=entry.accuracy,
            gave_up=entry.gave_up,
            reason=reason,
            energy=entry.energy,
            bytes_up=entry.bytes_up,
            cloud_ns=entry.cloud_compute_ns,
            predicted_ns=entry.predicted_ns,
            codec=entry.codec or None,
            total=entry.total if prediction else None,
        )
        self._books.count(entry.outcome, entry.task.due_ns - self._now_ns)
        self._actions.append(do.Finish(entry.outcome))

    def _leave_local(self, entry: EdgeTask) -> None:
        if entry.local is LocalLeg.QUEUED:
            entry.move_local("withdraw")
        elif entry.local is LocalLeg.RUNNING:
            entry.compute_ns = self._now_ns - entry.local_started_ns
            entry.move_local("abort")
            self._forecast.local.aborted()
            self._actions.append(do.AbortLocal(entry.task.task_id))

    def _leave_cloud(self, entry: EdgeTask) -> None:
        if entry.cloud is CloudLeg.QUEUED:
            entry.move_cloud("withdraw")
        elif entry.cloud is CloudLeg.ENCODING:
            entry.encode_ns = self._now_ns - entry.encode_started_ns
            entry.move_cloud("withdraw")
        elif entry.cloud in IN_FLIGHT:
            if entry.cloud is CloudLeg.UPLOADING:
                self._lessons.gave_up_upload(entry, self._now_ns)
            entry.move_cloud("give_up")
            entry.gave_up = True
            self._actions.append(do.SendGiveUp(entry.task.task_id))

    # --- starting queued work ---------------------------------------------------------------

    def _advance(self) -> None:
        self._start_uploads()
        self._start_local()
        over = [task_id for task_id, entry in self._tasks.items() if entry.over]
        for task_id in over:
            del self._tasks[task_id]

    def _start_local(self) -> None:
        queued = []
        for entry in self._tasks.values():
            if entry.local in (LocalLeg.RUNNING, LocalLeg.ABORTING):
                return
            if entry.local is LocalLeg.QUEUED:
                queued.append(entry)
        now_ns, mean_ns = self._now_ns, self._forecast.run_mean_ns
        # one that cannot be in time any more would only make the others late as well
        hopeful = [e for e in queued if now_ns + mean_ns(e, now_ns) <= e.task.due_ns]
        if hopeful:
            entry = min(hopeful, key=_due_ns)
            entry.move_local("start")
            entry.local_started_ns = now_ns
            self._forecast.local.started(now_ns, entry.here_ns)
            self._actions.append(do.StartLocal(entry.task.task_id, entry.here_exit))

    def _start_uploads(self) -> None:
        queued = [entry for entry in self._tasks.values() if entry.cloud is CloudLeg.QUEUED]
        if not queued:
            return
        legs = [entry.cloud for entry in self._tasks.values()]
        most = self._settings.max_uploads or self._forecast.uploads_at_once(self._now_ns, queued)
        free = max(0, most - legs.count(CloudLeg.UPLOADING))
        encoder_free = CloudLeg.ENCODING not in legs and CloudLeg.DROPPED not in legs
        for entry in sorted(queued, key=_due_ns):
            is_ready = entry.encoded or not self._forecast.encode.needs_time(entry.codec)
            if not (free if is_ready else encoder_free):
                continue
            assert entry.offload is not None
            # a policy that watches the clock sends nothing that would only make the others late
            if entry.offload.fallback and not self._forecast.cloud_can_serve(entry, self._now_ns):
                entry.move_cloud("withdraw")
                self._rescue(entry, OutcomeKind.LATE, "the uplink was taken for too long")
            elif is_ready:
                self._send(entry)
                free -= 1
            else:
                self._encode(entry)
                encoder_free = False

    def _encode(self, entry: EdgeTask) -> None:
        entry.move_cloud("encode")
        entry.encode_started_ns = self._now_ns
        entry.expected_encode = self._forecast.encode.forecast(self._now_ns, entry.codec)
        self._actions.append(do.Encode(entry.task.task_id, entry.codec))

    def _send(self, entry: EdgeTask) -> None:
        assert entry.offload is not None
        entry.expected_up = self._forecast.up(entry, self._now_ns, self._tasks.values())
        entry.move_cloud("send")
        entry.sent_ns = self._now_ns
        entry.tail_j = self._tail.next_j(self._now_ns)
        half_rtt_ns = self._forecast.link.rtt_mean_ns(self._now_ns) // 2
        self._actions.append(
            do.SendToCloud(
                task_id=entry.task.task_id,
                codec=entry.codec,
                accuracy=entry.offload.accuracy,
                # the first byte's way is a time that the cloud cannot see
                budget_ns=max(0, entry.task.due_ns - self._now_ns - half_rtt_ns),
                wanted_ns=max(0, entry.wanted_by_ns - self._now_ns - half_rtt_ns),
                down_ns=half_rtt_ns,
                exit_rule=entry.offload.exit_rule,
            )
        )

    # --- small questions --------------------------------------------------------------------

    def _entry(self, event: ev.EdgeEvent, task_id: str, detail: str = "") -> EdgeTask:
        entry = self._tasks.get(task_id)
        name = type(event).__name__
        if entry is None:
            raise UnexpectedEvent("edge", "unknown task", name, (task_id,))
        self._note(entry, f"{name} {detail}" if detail else name)
        return entry

    def _note(self, entry: EdgeTask, name: str) -> None:
        entry.story.append((self._now_ns, name))

    def _record(self, entry: EdgeTask, scores: Iterable[Score]) -> None:
        for score in scores:
            entry.story.append((self._now_ns, score))
            self._books.scores.add(score)
            self._actions.append(do.RecordScore(entry.task.task_id, score))

    def _local_is_accurate(self, entry: EdgeTask) -> bool:
        return self._forecast.accuracy_here(entry.here_exit) >= entry.accuracy

    def _local_can_serve(self, entry: EdgeTask) -> bool:
        wait_ns = self._forecast.local_wait_ns(entry, self._now_ns, self._tasks.values())
        end_ns = self._now_ns + wait_ns + self._forecast.run_mean_ns(entry, self._now_ns)
        return self._local_is_accurate(entry) and end_ns <= entry.task.due_ns

    def _is_promised(self, entry: EdgeTask) -> bool:
        """Whether the cloud works on the task and says, not in vain so far, that it is in time."""
        offload = entry.offload
        if offload is None or not offload.keep_promised or entry.cloud is not CloudLeg.RUNNING:
            return False
        latest_ns = entry.promised_by_ns + self._forecast.delay_ns(self._now_ns)
        return self._now_ns <= entry.promised_by_ns and latest_ns <= entry.task.due_ns

    def _expected_accuracy(self, entry: EdgeTask, site: Site, exit_: str) -> float:
        if entry.first is not None:
            alone = site is Site.EDGE and entry.unsure is not None
            return entry.first.threshold.unsure_accuracy if alone else entry.first.accuracy
        if site is Site.EDGE:
            return self._forecast.accuracy_here(entry.here_exit)
        assert self._forecast.cloud is not None
        return self._forecast.cloud.table.exit_named(exit_).accuracy.get(entry.codec, 0.0)

    def _set_timer(self, entry: EdgeTask, kind: TimerKind, at_ns: int) -> None:
        entry.timers.add(kind)
        self._actions.append(do.SetTimer(entry.task.task_id, kind, at_ns))

    def _cancel_timer(self, entry: EdgeTask, kind: TimerKind) -> None:
        if kind in entry.timers:
            entry.timers.discard(kind)
            self._actions.append(do.CancelTimer(entry.task.task_id, kind))

    # --- invariants -------------------------------------------------------------------------

    def validate(self) -> None:
        """Raise InvariantBroken if the machine is in a state that must not exist."""
        self._ledger.validate()
        check_edge(self._tasks, self._most_uploads)


def _due_ns(entry: EdgeTask) -> int:
    return entry.task.due_ns
