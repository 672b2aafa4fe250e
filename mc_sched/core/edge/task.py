"""One task's record on the edge: its two legs, its timers, its story."""

from __future__ import annotations

from typing import TypeVar

from mc_sched.core.energy.ledger import Part, Work
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.policy import CloudForecast, LocalFirst, Offload
from mc_sched.core.scores import NOTHING, Score, format_story_line
from mc_sched.core.task import Energy, Outcome, Prediction, Task
from mc_sched.core.transitions import CLOUD_LEG, LOCAL_LEG, CloudLeg, LocalLeg

QUIET_LOCAL = (LocalLeg.IDLE, LocalLeg.CLOSED)
QUIET_CLOUD = (CloudLeg.IDLE, CloudLeg.CLOSED)

NO_ENERGY = Energy()

LegT = TypeVar("LegT", LocalLeg, CloudLeg)


class EdgeTask:
    """State of one task from its submission until both legs are closed."""

    def __init__(self, task: Task, accuracy: float) -> None:
        self.task = task
        self.accuracy = accuracy
        """The QoR it has to meet, after the stream's feedback."""
        self.local: LocalLeg = LocalLeg.IDLE
        self.cloud: CloudLeg = CloudLeg.IDLE
        self.outcome: Outcome | None = None
        self.offload: Offload | None = None
        self.payload_bytes = 0
        """Size of the image under the codec in use."""
        self.on_device_exit = ""
        """Which exit of the cloud net runs here; empty for the local net."""
        self.on_device_ns = 0
        """Profiled time of the cloud net here up to it; 0 for the local net."""
        self.first: LocalFirst | None = None
        """Set while the local net's answer decides whether the image goes to the cloud."""
        self.unsure: Prediction | None = None
        """The local net's answer, if it was not sure enough to stand."""
        self.gave_up = False
        self.predicted_ns: int | None = None
        self.decided_ns = 0
        """When it was put into the queue of this device, last."""
        self.offloaded_ns = 0
        """When it was put into the uplink's queue."""
        self.options: tuple[CloudForecast, ...] = ()
        """What was expected of each way to the cloud when it was decided for it."""
        self.expected_local = NOTHING
        """Time from the decision for the edge to the answer."""
        self.expected_encode = NOTHING
        self.expected_up = NOTHING
        self.offload_scored = False
        """Whether the trip to the cloud has been held against its forecast."""
        self.total: Score | None = None
        """Its site's forecast, once there is an answer to hold against it."""
        self.timers: set[TimerKind] = set()
        self.run_before: tuple[Work, ...] = ()
        """The local net's run, where another one follows it here."""
        self.compute_ns = 0
        self.local_started_ns = 0
        self.encode_started_ns = 0
        self.encode_ns = 0
        """Time that the encoder worked for this task."""
        self.encoded = False
        """Whether its payload, where one has to be made, is there."""
        self.sent_ns = -1
        """When the upload began; -1 while it has not."""
        self.reply_by_ns = 0
        """When the cloud's answer is wanted: at the deadline, or before the task is taken back."""
        self.accepted_ns: int | None = None
        self.expected_at_ns = 0
        """When the answer is here, by the cloud's latest word."""
        self.cloud_predicted_ns = 0
        """Queue on the cloud and profiled path to the target, as of `accepted`."""
        self.cloud_compute_ns = 0
        self.bytes_up = 0
        self.upload_air_ns = 0
        """Time the radio sent for this task, from its first byte to its last."""
        self.upload_paid_ns = 0
        """Its share of the radio's time, of which uploads at once have one in common."""
        self.reply_air_ns = 0
        """Time the radio received the reply; 0 while there is none."""
        self.tail_j = 0.0
        """What its transfers have added to the radio's tail, in joules."""
        self.energy = NO_ENERGY
        self.story: list[tuple[int, str | Score]] = []

    @property
    def open(self) -> bool:
        """Whether it still lacks its outcome."""
        return self.outcome is None

    @property
    def over(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.outcome is not None and self.local in QUIET_LOCAL and self.cloud in QUIET_CLOUD

    @property
    def codec(self) -> str:
        """The codec in use; empty while it is not meant for the cloud."""
        return "" if self.offload is None else self.offload.codec

    def work(self, now_ns: int) -> tuple[Work, ...]:
        """Its work on the device until now: the image's encoding, the payload's, the local net."""
        encode_ns, compute_ns = self.encode_ns, self.compute_ns
        if self.cloud is CloudLeg.ENCODING:
            encode_ns = now_ns - self.encode_started_ns
        if self.local is LocalLeg.RUNNING:
            compute_ns = now_ns - self.local_started_ns
        pieces = (
            (Part.ENCODE, self.task.submitted_ns, self.task.encoding_ns),
            (Part.ENCODE, self.encode_started_ns, encode_ns),
            (Part.COMPUTE, self.local_started_ns, compute_ns),
        )
        works = [Work(part, start, start + took) for part, start, took in pieces if took > 0]
        return (*self.run_before, *works)

    def move_local(self, move: str) -> None:
        """Move the local leg; an unlisted move raises UnexpectedEvent with the story."""
        self.local = self._moved(LOCAL_LEG, self.local, move)

    def move_cloud(self, move: str) -> None:
        """Move the cloud leg; an unlisted move raises UnexpectedEvent with the story."""
        self.cloud = self._moved(CLOUD_LEG, self.cloud, move)

    def is_unsure(self, prediction: Prediction) -> bool:
        """Whether this, of the local net that was asked first, is less sure than is needed."""
        first = self.first if self.unsure is None else None
        return first is not None and prediction.entropy > first.threshold.entropy

    def go_on(self, prediction: Prediction) -> None:
        """The local net has run and is not sure; another run may follow it."""
        end_ns = self.local_started_ns + self.compute_ns
        self.run_before = (Work(Part.COMPUTE, self.local_started_ns, end_ns),)
        self.unsure, self.compute_ns = prediction, 0

    def _moved(self, table: dict[LegT, dict[str, LegT]], leg: LegT, move: str) -> LegT:
        try:
            return table[leg][move]
        except KeyError:
            state = f"local={self.local.value} cloud={self.cloud.value} open={self.open}"
            raise UnexpectedEvent("edge", state, move, self.format_story()) from None

    def format_story(self) -> tuple[str, ...]:
        """The story so far, a line per event, times since submission."""
        start = self.task.submitted_ns
        head = f"{self.task.task_id}: deadline {self.task.deadline_ns / 1e6:.1f} ms"
        return (
            head,
            *(
                f"{(at - start) / 1e6:8.2f} ms  {format_story_line(what)}"
                for at, what in self.story
            ),
        )
