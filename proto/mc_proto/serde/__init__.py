"""Conversions between the wire's messages and the core's types; pure functions.

Invalid fields of a request raise `BadField`, which names the field. The queries of the log store
are converted beside the store, in `mc_sched/obs/store/wire.py`.
"""

from mc_proto.serde.describe import describe_from_wire, describe_to_wire
from mc_proto.serde.fields import MAX_ID, BadField
from mc_proto.serde.outcomes import (
    bad_input_to_wire,
    outcome_from_wire,
    outcome_to_wire,
    prediction_from_wire,
    prediction_to_wire,
    score_from_wire,
    score_to_wire,
)
from mc_proto.serde.sessions import (
    MAX_WANTED,
    TaskEvent,
    check_session_task,
    session_story_from_wire,
    session_story_to_wire,
    session_task_received,
    session_trace,
    task_message_from_wire,
    task_message_to_wire,
    task_to_session,
)
from mc_proto.serde.status import status_to_wire
from mc_proto.serde.tasks import (
    MAX_IMAGE_BYTES,
    check_image,
    check_task,
    privacy_from_wire,
    task_from_wire,
)

__all__ = [
    "MAX_ID",
    "MAX_IMAGE_BYTES",
    "MAX_WANTED",
    "BadField",
    "TaskEvent",
    "bad_input_to_wire",
    "check_image",
    "check_session_task",
    "check_task",
    "describe_from_wire",
    "describe_to_wire",
    "outcome_from_wire",
    "outcome_to_wire",
    "prediction_from_wire",
    "prediction_to_wire",
    "privacy_from_wire",
    "score_from_wire",
    "score_to_wire",
    "session_story_from_wire",
    "session_story_to_wire",
    "session_task_received",
    "session_trace",
    "status_to_wire",
    "task_from_wire",
    "task_message_from_wire",
    "task_message_to_wire",
    "task_to_session",
]
