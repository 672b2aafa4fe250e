"""Give-ups in an event log: a stage that starts after one must be counted."""

import pytest

from mc_sched.bench.give_up import GiveUps, read_give_ups
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.task import Prediction
from mc_sched.obs.log.event_log import EventLog
from tests.core.joined import Joined

MS = 1_000_000
ANSWER = Prediction(((0, 1.0),))


def log_of(*moments):
    """Return a cloud agent's records of these (milliseconds, event or action)."""
    log, records = EventLog(None, "cloud"), []
    log.subscribe(records.append)
    for at_ms, value in moments:
        kind = "event" if hasattr(value, "now_ns") else "action"
        log.write(int(at_ms * MS), kind, value)
    return records


def read(*moments):
    return read_give_ups(log_of(*moments))


def arrived(task_id="t"):
    return ev.Received(0, task_id, "edge", 0.9, 50 * MS, MS)


def run_stage(stage, *task_ids):
    return do.RunStage(task_ids or ("t",), stage)


def stage_done(stage, took_ms=4.0, task_id="t"):
    return ev.StageDone(0, (task_id,), stage, int(took_ms * MS))


def give_up(task_id="t"):
    return ev.GiveUpReceived(0, task_id)


def stop(task_id="t"):
    return do.Stop(task_id, "given up", 4 * MS)


def reply(task_id="t"):
    return do.Reply(task_id, "exit1", ANSWER, 4 * MS, 0, 1.0)


AT_WORK = ((0, arrived()), (0, run_stage(0)), (3, give_up()))


def test_a_give_up_that_is_obeyed():
    found = read(*AT_WORK, (4, stage_done(0)), (4.5, stop()))
    assert found == GiveUps(1, 0, (1.5,), (4.0,))


def test_a_stage_after_the_give_up_is_counted():
    found = read(
        *AT_WORK, (4, stage_done(0)), (4, run_stage(1)), (8, stage_done(1)), (8, run_stage(2)),
        (12, stage_done(2)), (12, stop()),
    )  # fmt: skip
    assert found.stages_after_give_up == 2
    assert found.to_idle_ms == (9.0,)
    assert found.stage_ms == (4.0, 4.0, 4.0)


def test_a_head_after_the_give_up_is_counted():
    found = read(*AT_WORK, (4, stage_done(0)), (4, do.RunHead(("t",), "exit0")), (5, reply()))
    assert found == GiveUps(1, 1, (2.0,), (4.0,))


def test_a_stage_at_the_very_moment_counts_by_its_place_in_the_log():
    assert read((0, run_stage(0)), (0, give_up()), (4, stop())).stages_after_give_up == 0
    assert read((0, give_up()), (0, run_stage(0)), (4, stop())).stages_after_give_up == 1


def test_of_a_batch_only_the_given_up_tasks_count():
    found = read(
        (0, run_stage(0, "t", "u")), (3, give_up("t")), (4, run_stage(1, "u")),
        (8, run_stage(2, "t", "u")), (12, stop("t")),
    )  # fmt: skip
    assert (found.given_up, found.stages_after_give_up) == (1, 1)


def test_another_tasks_stages_are_its_own():
    found = read(*AT_WORK, (4, stage_done(0)), (4, stop()), (4, run_stage(0, "u")))
    assert found.stages_after_give_up == 0


def test_a_give_up_that_crossed_the_reply_is_none():
    found = read((0, arrived()), (0, run_stage(0)), (5, reply()), (6, give_up()))
    assert (found.given_up, found.to_idle_ms) == (0, ())


def test_a_second_give_up_does_not_start_the_clock_again():
    found = read(*AT_WORK, (4, give_up()), (5, stop()))
    assert (found.given_up, found.to_idle_ms) == (1, (2.0,))


def test_notes_and_a_config_are_no_work():
    records = log_of(*AT_WORK, (4, stop()))
    log = EventLog(None, "cloud")
    log.subscribe(records.append)
    log.write(0, "config", {"settings": {}, "table": {}})
    log.write(0, "note", {"error": "hm", "task_id": "t"})
    assert read_give_ups(records) == GiveUps(1, 0, (1.0,), ())


def test_the_report_holds_the_figures_of_the_issue():
    found = GiveUps(3, 0, (1.0, 2.0, 3.0), (4.0, 4.0, 8.0))
    assert found.report() == {
        "given_up": 3,
        "stages_after_give_up": 0,
        "to_idle_ms": {"p50": 2.0, "p99": 3.0},
        "stage_ms": {"p50": 4.0, "p99": 8.0},
        "to_idle_per_stage": 0.5,
    }


# --- on the machine's own logs ----------------------------------------------------------------


class Logged(Joined):
    """Both machines joined in memory, and the cloud's event log."""

    def __init__(self, seed):
        super().__init__(seed, loss=0.3, slowest=3.0)
        self.log, self.records = EventLog(None, "cloud"), []
        self.log.subscribe(self.records.append)

    def to_cloud(self, event):
        self.log.write(event.now_ns, "event", event)
        super().to_cloud(event)

    def perform_cloud(self, action):
        self.log.write(self.now, "action", action)
        super().perform_cloud(action)


@pytest.fixture(scope="module")
def histories():
    logs = []
    for seed in range(60):
        joined = Logged(seed)
        joined.run(12)
        logs.append(joined.records)
    return logs


def test_the_machine_starts_nothing_after_a_give_up(histories):
    found = [read_give_ups(records) for records in histories]
    assert any(give_ups.given_up for give_ups in found)
    assert [give_ups.stages_after_give_up for give_ups in found] == [0] * len(histories)


def test_a_give_up_moved_before_a_stage_of_its_task_is_noticed(histories):
    """A give-up is inserted before the start of a stage, as if the machine had ignored it."""
    moved = 0
    for records in histories:
        for place, record in enumerate(records):
            if record["name"] == "RunStage":
                (task_id,) = record["data"]["task_ids"]
                late = {"t_ns": record["t_ns"], "name": "GiveUpReceived",
                        "data": {"task_id": task_id}}  # fmt: skip
                found = read_give_ups([*records[:place], late, *records[place:]])
                assert found.stages_after_give_up >= 1
                moved += 1
                break
    assert moved
