"""Codecs and privacy on the wire."""

import pytest
from mc_proto import serde
from mc_proto.v1 import cloud_pb2, common_pb2, edge_pb2

from mc_sched.core.tables import CloudTable, Codec, Exit
from mc_sched.core.task import Outcome, OutcomeKind, Privacy, Site

FEATURES = Codec("features", stage=1, decode_ns=2_000_000, payload_bytes=3_136)
TABLE = CloudTable(
    "cloud",
    (1, 2),
    (Exit("exit1", 0, 1, {"jpeg": 0.7}), Exit("final", 1, 1, {"jpeg": 0.9, "features": 0.88})),
    "hash",
    (Codec("jpeg", decode_ns=1_000_000), FEATURES),
)


def opened(**fields):
    given = {
        "task_id": "a", "codec": "features", "payload_bytes": 3_136,
        "accuracy": 0.8, "budget_ns": 1_000_000, "exit_rule": common_pb2.EXIT_RULE_EARLIEST,
    }  # fmt: skip
    return cloud_pb2.SessionRequest.Open(**{**given, **fields})


def test_describe_carries_the_codec_table():
    assert serde.describe_from_wire(serde.describe_to_wire(TABLE, "1")) == TABLE


@pytest.mark.parametrize(("codec", "size"), [("features", 3_136), ("jpeg", 1), ("jpeg", 9_999)])
def test_a_payload_of_a_known_codec_and_size_is_accepted(codec, size):
    serde.check_session_task(opened(codec=codec, payload_bytes=size), 10_000, TABLE.codecs)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"payload_bytes": 3_135}, "open.payload_bytes: 3135, but a features payload has 3136"),
        ({"payload_bytes": 0}, "open.payload_bytes: 0, but a features payload has 3136"),
        ({"codec": "jpeg", "payload_bytes": 10_001}, "open.payload_bytes: 10001 is outside"),
        (
            {"codec": "webp"},
            "open.codec: 'webp' is not a codec of this agent; use jpeg or features",
        ),
        ({"codec": "x" * 10_000}, "open.codec: 'xxxx"),
    ],
)
def test_any_other_payload_is_refused_and_the_field_is_named(fields, sentence):
    with pytest.raises(serde.BadField) as caught:
        serde.check_session_task(opened(**fields), 10_000, TABLE.codecs)
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("text", "privacy"), [("", Privacy.ANY), *((p.value, p) for p in Privacy)])
def test_the_privacy_of_a_task(text, privacy):
    message = edge_pb2.Task(image=b"i", deadline_ns=1, privacy=text)
    assert serde.privacy_from_wire(message) is privacy
    task = serde.task_from_wire(message, "a", 0, {"features": 3_136}, encoding_ns=7)
    assert (task.privacy, task.payload_bytes, task.encoding_ns) == (privacy, {"features": 3_136}, 7)


@pytest.mark.parametrize("codec", [None, "jpeg", "features"])
def test_an_outcome_has_its_codec(codec):
    outcome = Outcome("a", "s", OutcomeKind.LATE, 1, site=Site.CLOUD, codec=codec)
    assert serde.outcome_from_wire(serde.outcome_to_wire(outcome, ())).codec == codec
