"""Loki's response formats. Times of lines are nanoseconds as text, of samples seconds as numbers.

See https://grafana.com/docs/loki/latest/reference/loki-http-api/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mc_sched.obs.loki.labels import metadata_of, stream_of
from mc_sched.obs.store.bounds import Line
from mc_sched.obs.web.http import Response, as_json

Samples = Mapping[tuple[tuple[str, str], ...], list[tuple[float, float]]]
"""Labels of a series -> (time in seconds, value) pairs."""


def success(data: Any) -> Response:
    """Wrap the data of a successful answer."""
    return as_json({"status": "success", "data": data})


def streams(lines: Iterable[Line], with_metadata: bool) -> list[dict[str, Any]]:
    """Group lines by their labels; keep their order."""
    found: dict[tuple[tuple[str, str], ...], list[list[Any]]] = {}
    for line in lines:
        record = line.record
        value: list[Any] = [str(line.id), line.body]
        if with_metadata:
            value.append({"structuredMetadata": metadata_of(record), "parsed": {}})
        found.setdefault(tuple(stream_of(record).items()), []).append(value)
    return [{"stream": dict(labels), "values": values} for labels, values in found.items()]


def of_streams(lines: Iterable[Line], with_metadata: bool) -> Response:
    """Build the answer to a log query."""
    data: dict[str, Any] = {
        "resultType": "streams", "result": streams(lines, with_metadata), "stats": {},
    }  # fmt: skip
    if with_metadata:
        data["encodingFlags"] = ["categorize-labels"]
    return success(data)


def matrix(samples: Samples) -> Response:
    """Build the answer to a metric query over a range."""
    result = [
        {"metric": dict(labels), "values": [[at, _number(value)] for at, value in values]}
        for labels, values in samples.items()
        if values
    ]
    return success({"resultType": "matrix", "result": result, "stats": {}})


def vector(samples: Samples) -> Response:
    """Build the answer to a metric query at one moment."""
    result = [
        {"metric": dict(labels), "value": [values[-1][0], _number(values[-1][1])]}
        for labels, values in samples.items()
        if values
    ]
    return success({"resultType": "vector", "result": result, "stats": {}})


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
