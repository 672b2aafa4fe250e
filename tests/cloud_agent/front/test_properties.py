"""Random histories of a front: every task has one end, and nothing is left of any."""

import asyncio
import logging
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from mc_proto.v1 import cloud_pb2

from cloud_agent.front.front import Front
from cloud_agent.front.limits import Limits
from mc_sched.obs.log.event_log import EventLog
from tests.cloud_agent.cloud_rig import S
from tests.cloud_agent.front.fake_worker import FakeWorker
from tests.cloud_agent.front.front_rig import ENDS, chunk, hello, opened

IDS = st.sampled_from("abcd")
SIDE = st.integers(0, 2)
"""Number of a session; the last two are of the same edge."""
STEPS = st.one_of(
    st.tuples(st.just("open"), SIDE, IDS, st.integers(1, 300), st.integers(0, 300)),
    st.tuples(st.just("chunk"), SIDE, IDS, st.integers(0, 300)),
    st.tuples(st.just("give_up"), SIDE, IDS),
    st.tuples(st.just("answer"), st.integers(0, 1), st.integers(0, 9)),
    st.tuples(st.just("accept"), st.integers(0, 1), st.integers(0, 9)),
    st.tuples(st.just("flip"), st.integers(0, 1)),
    st.tuples(st.just("grant"), st.integers(0, 1), SIDE, st.integers(0, 5)),
    st.tuples(st.just("late"), st.just(0)),
    st.tuples(st.just("close"), SIDE),
    st.tuples(st.just("leave"), SIDE),
)


class History:
    """A front with two workers and three sessions, driven by hand."""

    def __init__(self):
        self.workers = [FakeWorker(0, credits=4), FakeWorker(1, credits=4)]
        limits = Limits(
            max_open=6, tasks_per_client=5, session_upload_bytes=400, upload_bytes=600,
            upload_ns=S,
        )  # fmt: skip
        log = EventLog(None, "cloud")
        self.front = Front(self.workers, limits, log, logging.getLogger("tests"))
        for worker in self.workers:
            worker.front = self.front
            worker.start()
        self.sessions = [self.join(number) for number in range(3)]
        self.opens, self.ends = Counter(), Counter()

    def join(self, number):
        edge_id = "one" if number == 0 else "two"
        return self.front.join(hello(edge_id).hello, f"client {number}", "")

    def read(self):
        """Count the ends of tasks that the sessions have been sent."""
        for number, session in enumerate(self.sessions):
            replies = b"".join(session.outbox._replies)
            session.outbox._replies.clear()
            for message in cloud_pb2.SessionReply.FromString(replies).messages:
                if message.WhichOneof("message") in ENDS:
                    self.ends[number, message.task_id] += 1

    def step(self, now_ns, kind, number, *rest):
        if kind in ("open", "chunk"):
            intake = self.sessions[number].intake
            if kind == "open":
                task_id, size, head = rest
                request = opened(task_id, bytes(size), head)
                # one that is open already is ended together with the second
                self.opens[number, task_id] += task_id not in self.sessions[number].tasks
            else:
                request = chunk(rest[0], bytes(rest[1]))
                known = rest[0] in self.sessions[number].tasks or rest[0] in intake.ended
                self.opens[number, rest[0]] += not known
            intake.take(request, now_ns)
        elif kind == "give_up":
            self.front.give_up("one" if number == 0 else "two", rest[0], "")
        elif kind in ("answer", "accept"):
            keys = list(self.workers[number].tasks)
            if keys:
                getattr(self.workers[number], kind)(keys[rest[0] % len(keys)])
        elif kind == "flip":
            worker = self.workers[number]
            worker.die() if worker.up else worker.start()
        elif kind == "grant":
            self.workers[number].grant("one" if rest[0] == 0 else "two", rest[1])
        elif kind == "late":
            for task, ending in self.front.tasks.slow(now_ns):
                self.front.end(task, ending, now_ns)
        elif kind == "close":
            self.sessions[number].intake.close_uploads(now_ns)
        elif kind == "leave":
            self.leave(number)
            self.sessions[number] = self.join(number)

    def leave(self, number):
        """End a session; its open tasks get no message any more."""
        self.read()
        for task_id in self.sessions[number].tasks:
            self.ends[number, task_id] += 1
        self.front.leave(self.sessions[number])

    def validate(self):
        tasks = self.front.tasks
        everything = list(tasks._tasks.values())
        uploads = [task for task in everything if task.worker is None]
        assert set(tasks._uploads) == {task.key for task in uploads}
        assert tasks.upload_bytes == sum(task.held_bytes for task in uploads)
        assert tasks.upload_bytes <= 600
        assert len(everything) <= 6
        for number, session in enumerate(self.sessions):
            own = [task for task in everything if task.session is session]
            assert {task.task_id: task for task in own} == session.tasks
            assert session.upload_bytes == sum(t.held_bytes for t in own if t.worker is None)
            assert session.upload_bytes <= 400
            assert tasks._of_client[f"client {number}"] == len(own) <= 5
            edge = session.edge
            assert edge.open_tasks == sum(task.session.edge is edge for task in everything)
            assert edge.credits >= 1
        for task in everything:
            if task.worker is not None:
                assert task.worker.up
                assert task.key in task.worker.tasks
                assert task.parts == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, S // 5), STEPS), max_size=60))
def test_every_task_has_one_end_and_nothing_is_left(steps):
    async def run():
        history, now_ns = History(), S
        for passed_ns, step in steps:
            now_ns += passed_ns
            history.step(now_ns, *step)
            await asyncio.sleep(0)  # the workers answer events on the loop
            history.read()
            history.validate()
            for (number, task_id), opens in history.opens.items():
                open_now = task_id in history.sessions[number].tasks
                assert history.ends[number, task_id] == opens - open_now
        for number in range(3):
            history.leave(number)
        assert len(history.front.tasks) == 0
        assert not any(worker.tasks for worker in history.workers)
        assert history.front.sessions == []

    asyncio.run(run())
