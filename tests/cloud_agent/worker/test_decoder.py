"""A worker's decoder: its threads, and what they report."""

import threading

import pytest

from cloud_agent.worker.decoder import PayloadDecoder
from mc_sched.core.events import Decoded, DecodeFailed
from tests.cloud_agent.cloud_rig import PATIENCE_S


class Reports:
    """A decoder of text, and what it delivered and reported."""

    def __init__(self):
        self.delivered, self.events = [], []
        self.running, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.decoder = PayloadDecoder({"text": self.decode}, self.deliver, self.events.append)

    def decode(self, payload):
        self.running.set()
        assert self.go_on.wait(PATIENCE_S)
        if payload == b"broken":
            raise RuntimeError("out of memory")
        return payload.decode("ascii")

    def deliver(self, task_id, x):
        self.delivered.append((task_id, x))

    def send(self, task_id, payload):
        self.decoder.hold(task_id, payload)
        self.decoder.decode(task_id, "text")


@pytest.fixture
def reports():
    made = Reports()
    yield made
    made.go_on.set()
    made.decoder.close()


def test_a_decoded_payload_is_delivered_and_then_reported(reports):
    reports.send("a", b"one")
    reports.decoder.close()
    assert reports.delivered == [("a", "one")]
    (event,) = reports.events
    assert isinstance(event, Decoded)
    assert (event.task_id, event.took_ns > 0) == ("a", True)


@pytest.mark.parametrize(
    ("payload", "invalid", "reason"),
    [(b"\xff", True, "ascii"), (b"broken", False, "out of memory")],
)
def test_a_failure_is_reported_with_its_reason(reports, payload, invalid, reason):
    reports.send("a", payload)
    reports.decoder.close()
    (event,) = reports.events
    assert isinstance(event, DecodeFailed)
    assert (event.task_id, event.invalid) == ("a", invalid)
    assert reason in event.reason
    assert reports.delivered == []


def test_payloads_are_decoded_in_the_order_of_the_requests(reports):
    reports.go_on.clear()
    for task_id in "abc":
        reports.send(task_id, b"text")
    assert reports.running.wait(PATIENCE_S)
    assert reports.events == []
    reports.go_on.set()
    reports.decoder.close()
    assert [event.task_id for event in reports.events] == ["a", "b", "c"]


def test_a_payload_is_freed_when_it_is_decoded_or_dropped(reports):
    reports.decoder.hold("dropped", b"text")
    reports.decoder.drop("dropped")
    reports.send("a", b"text")
    reports.decoder.close()
    assert reports.decoder._payloads == {}


def test_several_payloads_are_decoded_at_the_same_time():
    together = threading.Barrier(2, timeout=PATIENCE_S)
    events = []
    decoder = PayloadDecoder({"text": lambda _: together.wait()}, lambda *_: None, events.append, 2)
    for task_id in "ab":
        decoder.hold(task_id, b"text")
        decoder.decode(task_id, "text")
    decoder.close()
    assert sorted(event.task_id for event in events) == ["a", "b"]
    assert {type(event) for event in events} == {Decoded}


def test_a_thread_that_hangs_or_has_died_is_named(reports, monkeypatch):
    assert reports.decoder.stuck == ""
    monkeypatch.setattr(reports.decoder._threads[0].heartbeat, "_stuck_ns", 0)
    reports.go_on.clear()
    reports.send("a", b"text")
    assert reports.running.wait(PATIENCE_S)
    assert reports.decoder.stuck == "decoder 0"
    reports.go_on.set()
    reports.decoder.close()
    assert reports.decoder.stuck == "decoder 0"
