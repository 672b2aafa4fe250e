"""Payloads share the uplink one after another; control messages never wait behind them."""

from dataclasses import replace

import pytest

from mc_sched.link.model import LinkSpec, Unlimited, mbps
from mc_sched.sim.clock import Clock
from mc_sched.sim.radio_link import CHUNK_BYTES, CONTROL_BYTES, HEADER_BYTES, RadioLink, Transfer
from mc_sched.sim.spec import RadioLinkSpec
from mc_sched.sim.step_function import StepFunction
from tests.sim.worlds import LINK, MS, dark

HEADER_MS, CONTROL_MS = 0.2, 0.1
"""At 8 Mbps a kilobyte takes a millisecond."""


class Radio:
    """A radio link that records arrivals, in milliseconds."""

    def __init__(self, link=LINK, extra=None):
        self.clock = Clock()
        self.link = RadioLink(self.clock, RadioLinkSpec(link, extra))
        self.seen = {}

    def now_ms(self):
        return self.clock.now_ns / MS

    def note(self, name):
        self.seen[name] = self.now_ms()

    def send(self, at_ms, name, size_bytes, due_ms=0, sender=""):
        transfer = Transfer(size_bytes, lambda: self.note(name), round(due_ms * MS), sender)
        self.clock.at(round(at_ms * MS), self.link.send, transfer)
        return transfer

    def control(self, at_ms, name):
        self.message(at_ms, name, lambda: self.link.control_ns(CONTROL_BYTES))

    def down(self, at_ms, name):
        self.message(at_ms, name, lambda: self.link.down_ns(100))

    def message(self, at_ms, name, arrival_ns):
        self.clock.at(round(at_ms * MS), lambda: self.clock.at(arrival_ns(), self.note, name))

    def arrivals(self):
        self.clock.run()
        return self.seen


def test_a_payload_takes_its_bytes_and_half_a_round_trip():
    radio = Radio()
    transfer = radio.send(0, "a", 10_000)
    assert radio.arrivals() == {"a": pytest.approx(HEADER_MS + 10 + 5)}
    assert transfer.opened_ns / MS == pytest.approx(HEADER_MS + 5)


def test_a_second_one_waits_for_the_first():
    radio = Radio()
    radio.send(0, "a", 10_000)
    radio.send(2, "b", 5_000)
    assert radio.arrivals()["b"] == pytest.approx(2 * HEADER_MS + 15 + 5)


CHUNK_MS = CHUNK_BYTES / 1000


def test_the_one_that_is_due_first_waits_for_a_chunk_at_most():
    radio = Radio()
    radio.send(0, "large", 4 * CHUNK_BYTES, due_ms=900)
    radio.send(1, "late", 1_000, due_ms=901)
    radio.send(2, "urgent", 1_000, due_ms=100)
    seen = radio.arrivals()
    assert seen["urgent"] == pytest.approx(2 * HEADER_MS + CHUNK_MS + 1 + 5)
    assert seen["large"] == pytest.approx(2 * HEADER_MS + 4 * CHUNK_MS + 1 + 5)
    assert seen["late"] == pytest.approx(3 * HEADER_MS + 4 * CHUNK_MS + 2 + 5)


def test_edges_that_share_a_link_take_turns_chunk_by_chunk():
    radio = Radio()
    radio.send(0, "large", 4 * CHUNK_BYTES, due_ms=100, sender="a")
    radio.send(1, "next", 1_000, due_ms=200, sender="a")
    radio.send(2, "small", 2 * CHUNK_BYTES, due_ms=900, sender="b")
    seen = radio.arrivals()
    assert seen["small"] == pytest.approx(2 * HEADER_MS + 5 * CHUNK_MS + 5)
    assert seen["large"] == pytest.approx(2 * HEADER_MS + 6 * CHUNK_MS + 5)
    assert seen["next"] == pytest.approx(3 * HEADER_MS + 6 * CHUNK_MS + 1 + 5)


def test_control_waits_for_a_packet_at_most():
    radio = Radio()
    radio.send(0, "a", 10_000)
    radio.control(3, "give-up")
    radio.control(50, "probe")
    seen = radio.arrivals()
    assert 3 + CONTROL_MS + 5 <= seen["give-up"] <= 3 + 1.5 + CONTROL_MS + 5
    assert seen["probe"] == pytest.approx(50 + CONTROL_MS + 5)


def test_what_is_dropped_sends_no_further_chunk():
    radio = Radio()
    large = radio.send(0, "large", 10 * CHUNK_BYTES)
    radio.send(1, "small", 1_000, due_ms=900)
    radio.clock.at(20 * MS, radio.link.drop, large)
    seen = radio.arrivals()
    assert "large" not in seen
    assert seen["small"] < 2 * HEADER_MS + 2 * CHUNK_BYTES / 1000 + 1 + 6


def test_in_an_outage_nothing_passes_and_afterwards_everything_does():
    radio = Radio(dark((0.005, 1)))
    radio.send(6, "a", 10_000)
    radio.control(6, "probe")
    seen = radio.arrivals()
    assert seen["a"] == pytest.approx(1005 + HEADER_MS + 10 + 5)
    assert seen["probe"] >= 1005 + 5


def test_messages_from_the_cloud_come_in_order_whatever_the_jitter():
    radio = Radio(replace(LINK, jitter_ns=40 * MS, seed=3))
    names = [f"{number:02d}" for number in range(30)]
    for number, name in enumerate(names):
        radio.down(number, name)
    seen = radio.arrivals()
    assert list(seen) == names
    assert list(seen.values()) == sorted(seen.values())


def test_a_round_trip_that_changes_counts_when_something_leaves():
    radio = Radio(
        LinkSpec(mbps(8), Unlimited()), StepFunction((0, 50 * MS), (20.0 * MS, 80.0 * MS))
    )
    radio.send(0, "before", 1_000)
    radio.send(60, "behind", 1_000)
    seen = radio.arrivals()
    assert seen["before"] == pytest.approx(HEADER_MS + 1 + 10)
    assert seen["behind"] == pytest.approx(60 + HEADER_MS + 1 + 40)


def test_the_header_is_small_beside_a_chunk():
    assert HEADER_BYTES < CHUNK_BYTES / 50
