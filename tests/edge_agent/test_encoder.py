"""The encoder's worker: one payload at a time, and one report for each."""

import queue
import threading
import types

import pytest

from edge_agent.encoder import PayloadEncoder
from mc_sched.core import events as ev
from tests.edge_agent.edge_rig import PATIENCE_S


class Bench:
    """An encoder whose reports are collected."""

    def __init__(self, encode):
        self.reports = queue.Queue()
        encoders = {"features": encode, "split1": lambda pixels: b"split of " + encode(pixels)}
        self.encoder = PayloadEncoder(encoders, lambda *report: self.reports.put(report))

    def next(self):
        return self.reports.get(timeout=PATIENCE_S)


@pytest.fixture
def bench():
    made = []

    def make(encode):
        made.append(Bench(encode))
        return made[-1]

    yield make
    for each in made:
        each.encoder.close()


def image(pixels):
    """Return an image with these pixels."""
    return types.SimpleNamespace(pixels=pixels)


def test_a_payload_has_its_encoding_time(bench):
    made = bench(lambda pixels: b"payload of " + pixels)
    made.encoder.start("a", "features", image(b"pixels"))
    event, payload = made.next()
    assert (type(event), event.task_id, payload) == (ev.Encoded, "a", b"payload of pixels")
    assert event.took_ns >= 0


def test_payloads_are_encoded_one_after_the_other_in_order(bench):
    busy = threading.Lock()

    def encode(pixels):
        assert busy.acquire(blocking=False), "two at once"
        busy.release()
        return pixels

    made = bench(encode)
    for name in "abc":
        made.encoder.start(name, "features", image(name.encode()))
    assert [made.next()[1] for _ in range(3)] == [b"a", b"b", b"c"]


def test_the_loop_is_free_meanwhile(bench):
    """`start` returns before the payload is encoded, on another thread."""
    go_on, where = threading.Event(), []

    def encode(pixels):
        assert go_on.wait(PATIENCE_S)
        where.append(threading.current_thread())
        return b""

    made = bench(encode)
    made.encoder.start("a", "features", image(b""))
    go_on.set()
    made.next()
    assert where[0] is not threading.current_thread()


def test_a_failure_is_one_sentence_and_the_next_payload_is_encoded(bench):
    def encode(pixels):
        if pixels == b"bad":
            raise RuntimeError("out of memory\nand a trace")
        return pixels

    made = bench(encode)
    made.encoder.start("a", "features", image(b"bad"))
    made.encoder.start("b", "features", image(b"good"))
    event, payload = made.next()
    assert (type(event), payload) == (ev.EncodeFailed, b"")
    assert "out of memory" in event.reason
    assert "trace" not in event.reason
    assert made.next()[1] == b"good"


def test_each_codec_has_its_own_encoder(bench):
    made = bench(lambda pixels: pixels)
    made.encoder.start("a", "split1", image(b"pixels"))
    assert made.next()[1] == b"split of pixels"


def test_a_codec_without_an_encoder_fails(bench):
    made = bench(lambda pixels: pixels)
    made.encoder.start("a", "split9", image(b"pixels"))
    assert isinstance(made.next()[0], ev.EncodeFailed)
