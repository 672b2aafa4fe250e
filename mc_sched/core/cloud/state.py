"""State that the parts of the cloud machine share: its tasks, the current moment, its actions."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core.cloud.decode_queue import DecodeQueue
from mc_sched.core.cloud.downlinks import Downlinks
from mc_sched.core.cloud.schedule import CloudSchedule
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.predictors.batch_time import BatchTimes
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.scores import Score, ScoreBook
from mc_sched.core.settings import CloudSettings
from mc_sched.core.tables import CloudTable


class NodeState:
    """One device's tasks and forecasts, and the actions for the current event so far."""

    def __init__(self, settings: CloudSettings, table: CloudTable) -> None:
        self.table = table
        self.times = CloudTimePredictor(table, settings.quantile)
        self.sizes = BatchTimes(self.times, settings.max_batch)
        self.schedule = CloudSchedule(self.times, self.sizes, settings.quantile)
        self.decoding = DecodeQueue(table, settings.decoders)
        self.downlinks = Downlinks()
        self.scores = ScoreBook()
        self.tasks: dict[str, CloudTask] = {}
        """Accepted tasks; those before acceptance are in `decoding`."""
        self.now_ns = 0
        self.actions: list[do.CloudAction] = []

    def begin(self, now_ns: int) -> None:
        """Start on the next event, with no actions yet."""
        self.now_ns = now_ns
        self.actions = []

    @property
    def open_tasks(self) -> int:
        """Number of tasks on this node, from the arrival of the payload until the end."""
        return len(self.tasks) + len(self.decoding)

    def find(self, task_id: str) -> CloudTask | None:
        """The open task of this id."""
        return self.tasks.get(task_id) or self.decoding.find(task_id)

    def story(self, task_id: str) -> tuple[str, ...]:
        """The story of a task for an error, or its id alone if it is not open."""
        task = self.find(task_id)
        return (task_id,) if task is None else task.format_story()

    def record(self, task: CloudTask, score: Score) -> None:
        """Record the score of a forecast whose actual time is now known."""
        task.story.append((self.now_ns, score))
        self.scores.add(score)
        self.actions.append(do.RecordScore(task.task_id, score))

    def end(self, task: CloudTask, action: do.Stop | do.Reply) -> None:
        """End an accepted task with its last action."""
        del self.tasks[task.task_id]
        self.schedule.remove(task)
        self.actions.append(action)

    def wait_ns(self, now_ns: int) -> int:
        """Wait of a payload that arrives now and is due after all others."""
        decoder_ns = self.decoding.wait_ns(now_ns, None)
        return max(decoder_ns, self.schedule.wait_behind_all_ns(now_ns))
