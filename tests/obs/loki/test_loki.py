"""An agent as a Loki data source: the requests of Grafana's Explore and their answers."""

import http.client
import json
import socket
import time
from urllib.parse import urlencode

import pytest

from mc_sched.obs.loki.logql import (
    Condition,
    Constant,
    LogQLError,
    LogQuery,
    MetricQuery,
    duration_ns,
    parse,
)
from mc_sched.obs.routes import agent_routes
from mc_sched.obs.store.writer import KEEP_ALL, StoreWriter
from mc_sched.obs.web.server import WebServer
from tests.obs.stored import START_S, finish, line, stores_of

SPAN = {"start": f"{START_S}000000000", "end": f"{START_S + 100}000000000"}
ALL = '{service_name="mc-sched"}'


# --- LogQL ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("vector(1)+vector(1)", Constant(2)),
        ('{level="error"}', LogQuery((Condition("level", "=", "error"),))),
        ("{}", LogQuery()),
        (
            '{level=~"err.*", component!="cloud"} |= "a \\"b\\"" != `c|d` |~ "(?i)x" !~ "y"',
            LogQuery(
                (Condition("level", "=~", "err.*"), Condition("component", "!=", "cloud")),
                (("|=", 'a "b"'), ("!=", "c|d"), ("|~", "(?i)x"), ("!~", "y")),
            ),
        ),
        (
            '{level="info"} | json | drop __error__, x | task_id="a-1" and outcome!="late"',
            LogQuery(
                (Condition("level", "=", "info"), Condition("task_id", "=", "a-1"),
                 Condition("outcome", "!=", "late"))
            ),
        ),
        ('{} | latency_ns > 5', LogQuery((Condition("latency_ns", ">", "5"),))),
        (
            'sum by (level, detected_level) (count_over_time({level="x"} | drop __error__[1m]))',
            MetricQuery(LogQuery((Condition("level", "=", "x"),)), 60 * 10**9, False,
                        ("level", "detected_level")),
        ),
        ("sum(rate({}[30s]))", MetricQuery(LogQuery(), 30 * 10**9, True, ())),
        ("sum(rate({}[30s])) by (level)", MetricQuery(LogQuery(), 30 * 10**9, True, ("level",))),
        ("count_over_time({}[1h30m])", MetricQuery(LogQuery(), 5400 * 10**9, False, None)),
    ],
)  # fmt: skip
def test_the_queries_of_explore_are_parsed(text, parsed):
    assert parse(text) == parsed


@pytest.mark.parametrize(
    "text",
    ["", "{", '{level="a"', "{level=}", '{level="a"} |', '{} | line_format "{{.x}}"', "topk(3, x)",
     'avg_over_time({}[1m])', '{level="\\q"}', "sum(count_over_time({}[soon]))", "{} extra", "§"],
)  # fmt: skip
def test_an_unsupported_query_is_a_parse_error(text):
    with pytest.raises(LogQLError, match=r"parse error|not a valid duration"):
        parse(text)


def test_durations():
    assert duration_ns("1m30s") == 90 * 10**9
    assert duration_ns("15") == 15 * 10**9
    assert duration_ns("1d") == 86_400 * 10**9


# --- over HTTP --------------------------------------------------------------------------------


class Loki:
    def __init__(self, store):
        self._server = WebServer("127.0.0.1:0", agent_routes("edge", store))
        self._server.start()
        self.port = self._server.port

    def get(self, path, headers=None, method="GET", **query):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        text = urlencode(query)
        if method == "POST":
            connection.request("POST", path, text, headers or {})
        else:
            connection.request("GET", f"{path}?{text}", headers=headers or {})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, body

    def ask(self, path, **query):
        status, body = self.get(f"/loki/api/v1/{path}", **query)
        assert status == 200, body
        found = json.loads(body)
        assert found["status"] == "success"
        return found["data"]

    def close(self):
        self._server.close()


@pytest.fixture
def loki(tmp_path):
    stores_of(
        finish(10, "a-1", latency_ns=20_000_000),
        finish(20, "a-2", "late", "cloud", "exit2", latency_ns=90_000_000, stream_id="door"),
        finish(65, "a-3", "failed", reason="broke <here>"),
        line(70, "LinkSampled", "debug", rtt_ns=8),
        line(80, "Received", "info", node="cloud", task="robot/a-2"),
        path=tmp_path / "edge.db",
    ).close()
    made = Loki(tmp_path / "edge.db")
    yield made
    made.close()


def test_the_health_query_of_the_data_source(loki):
    data = loki.ask("query", query="vector(1)+vector(1)", time="4000000000")
    assert data["resultType"] == "vector"
    assert data["result"] == [{"metric": {}, "value": [4e9, "2"]}]


def lines(data):
    assert data["resultType"] == "streams"
    values = [value for stream in data["result"] for value in stream["values"]]
    return [json.loads(value[1])["name"] for value in sorted(values, reverse=True)]


def test_a_range_of_lines(loki):
    data = loki.ask("query_range", query=ALL, limit=3, direction="backward", **SPAN)
    assert lines(data) == ["Received", "LinkSampled", "Finish"]
    first = data["result"][0]
    assert set(first["stream"]) == {"service_name", "host", "level", "component"}
    assert first["stream"]["component"] == "cloud"
    at, text = first["values"][0]
    assert at == f"{START_S + 80}000000000"
    assert json.loads(text)["task_id"] == "robot/a-2"
    forward = loki.ask("query_range", query=ALL, limit=1, direction="forward", **SPAN)
    assert json.loads(forward["result"][0]["values"][0][1])["task_id"] == "a-1"


def test_structured_metadata_is_sent_on_request(loki):
    headers = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
    data = loki.ask("query_range", query='{} | task_id="a-2"', headers=headers, **SPAN)
    assert data["encodingFlags"] == ["categorize-labels"]
    ((_, _, beside),) = data["result"][0]["values"]
    assert beside == {
        "structuredMetadata": {"task_id": "a-2", "stream_id": "door", "name": "Finish",
                               "kind": "action", "site": "cloud", "outcome": "late",
                               "exit": "exit2"},
        "parsed": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (ALL, 5),
        ('{service_name="other"}', 0),
        ('{service_name=~"mc.*", level=~"error|warning"}', 2),
        ('{level!~"error|warning"}', 3),
        ('{component="cloud"}', 1),
        ('{} |= "<here>"', 1),
        ('{} |~ "(?i)BROKE"', 1),
        ('{} != "Finish"', 2),
        ('{} !~ "Fin.sh"', 2),
        ("{} | outcome.latency_ns > 50000000", 1),
        ("{} | json | outcome_latency_ns > 50000000", 1),
        ('{} | json | outcome="late"', 1),
        ('{} | detected_level="error"', 1),
    ],
)
def test_filters(loki, query, count):
    assert len(lines(loki.ask("query_range", query=query, method="POST", **SPAN))) == count


def test_the_volume_that_explore_draws(loki):
    query = f"sum by (level, detected_level) (count_over_time({ALL} | drop __error__[60s]))"
    data = loki.ask("query_range", query=query, step="60", **SPAN | {"end": f"{START_S + 180}"})
    assert data["resultType"] == "matrix"
    found = {row["metric"]["level"]: row["values"] for row in data["result"]}
    assert found["error"] == [[START_S + 120.0, "1"]]
    assert found["info"] == [[START_S + 60.0, "1"], [START_S + 120.0, "1"]]
    assert found["warning"] == [[START_S + 60.0, "1"]]
    assert data["result"][0]["metric"]["detected_level"]


def test_counts_and_rates(loki):
    total = loki.ask("query_range", query="sum(count_over_time({}[20s]))", step="20s", **SPAN)
    (row,) = total["result"]
    assert row["metric"] == {}
    assert sum(int(value) for _, value in row["values"]) == 5
    rate = loki.ask("query", query="sum(rate({}[100s]))", time=f"{START_S + 100}")
    assert rate["result"] == [{"metric": {}, "value": [START_S + 100.0, "0.05"]}]
    each = loki.ask("query", query="count_over_time({}[100s])", time=f"{START_S + 100}")
    assert {row["metric"]["level"] for row in each["result"]} == {
        "info",
        "warning",
        "error",
        "debug",
    }


@pytest.mark.parametrize("length", ["365d", "10w", "1000000w", "36500d3s"])
def test_a_range_of_years_costs_no_more_than_its_lines(loki, length):
    """The sum slides over the existing lines, not over each second of the range."""
    query = f"sum(count_over_time({{}}[{length}]))"
    started_s = time.process_time()
    found = loki.ask("query_range", query=query, step="7s", **SPAN)
    assert time.process_time() - started_s < 5
    assert found["result"][0]["values"][-1][1] == "5"


@pytest.mark.parametrize(
    "query", ['{} |~ "(a+)+$"', '{component=~"(e|ed|dge|.)*x"}', '{service_name=~"((.*)*)*x"}']
)
def test_no_pattern_blocks_an_agent(loki, query, tmp_path):
    writer = StoreWriter(tmp_path / "edge.db", KEEP_ALL)
    writer.append([line(30, "odd", text="a" * 5000 + "!", node="edge" * 16)])
    writer.close()
    started_s = time.process_time()
    loki.ask("query_range", query=query, **SPAN)
    assert time.process_time() - started_s < 5


def test_labels_series_statistics_and_volume(loki):
    assert loki.ask("labels", **SPAN) == ["component", "host", "level", "service_name"]
    assert loki.ask("label/level/values") == ["error", "warning", "info", "debug"]
    assert loki.ask("label/component/values") == ["cloud", "edge"]
    assert loki.ask("label/service_name/values") == ["mc-sched"]
    assert loki.ask("label/none/values") == []
    series = loki.ask("series", **{"match[]": '{level="info"}'}, **SPAN)
    assert sorted(row["component"] for row in series) == ["cloud", "edge"]
    status, body = loki.get("/loki/api/v1/index/stats", query=ALL, **SPAN)
    stats = json.loads(body)
    assert (status, stats["entries"], stats["streams"]) == (200, 5, 5)
    volume = loki.ask("index/volume", query=ALL, targetLabels="level", **SPAN)
    assert {row["metric"]["level"]: row["value"][1] for row in volume["result"]} == {
        "info": "2", "warning": "1", "error": "1", "debug": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("query_range", {"query": "topk(1, x)"}, "parse error"),
        ("query_range", {"query": '{} |~ "("'}, "not a valid regular expression"),
        ("query_range", {"query": '{level=~"["}'}, "not a valid regular expression"),
        ("query_range", {"query": "{}", "start": "yesterday"}, "not a valid time"),
        ("query_range", {"query": "{}", "limit": "1000000"}, "limit"),
        ("query_range", {"query": "sum(rate({}[1s]))", "step": "1s", "start": "1"}, "longer step"),
        ("query_range", {"query": "vector(1)", "step": "1s", "start": "1"}, "longer step"),
        ("query_range", {"query": "{} | latency_ns > `x`"}, "only numbers"),
        ("query_range", {"query": '{} |= "' + "x" * 9000 + '"'}, "takes at most"),
        ("tail", {"query": "vector(1)"}, "needs a WebSocket"),
        ("series", {"match[]": "vector(1)"}, "expected a log query"),
        ("tail", {"query": "{}"}, "needs a WebSocket"),
    ],
)
def test_errors_are_sentences(loki, path, query, message):
    status, body = loki.get(f"/loki/api/v1/{path}", **query)
    assert status == 400
    assert message in body.decode()


def test_times_as_loki_takes_them(loki):
    for start in (f"{START_S + 60}", f"{START_S + 60}.0", f"{START_S + 60}000000000",
                  "2027-01-15T08:01:00Z"):  # fmt: skip
        data = loki.ask("query_range", query="{}", start=start, end=SPAN["end"])
        assert len(lines(data)) == 3, start


# --- the live tail ----------------------------------------------------------------------------


class Socket:
    """A WebSocket client that reads whole text messages."""

    def __init__(self, port, path):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        key = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455, section 1.3
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._file = self._socket.makefile("rb")
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            self.head += self._file.readline()

    def message(self):
        while True:
            kind, size = self._file.read(2)
            if size >= 126:
                size = int.from_bytes(self._file.read(2 if size == 126 else 8), "big")
            payload = self._file.read(size)
            if kind == 0x81:
                return json.loads(payload)

    def close(self):
        self._file.close()
        self._socket.close()


def test_the_tail_is_a_websocket(loki, tmp_path):
    query = urlencode({"query": '{level="info"}', "start": f"{START_S + 75}000000000"})
    tail = Socket(loki.port, f"/loki/api/v1/tail?{query}")
    assert tail.head.startswith(b"HTTP/1.1 101")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in tail.head
    first = tail.message()
    assert first["dropped_entries"] is None
    assert "robot/a-2" in first["streams"][0]["values"][0][1]
    writer = StoreWriter(tmp_path / "edge.db", KEEP_ALL)
    writer.append([line(90, "fresh", text="x" * 70_000), line(91, "other", "debug")])
    writer.close()
    ((at, text),) = tail.message()["streams"][0]["values"]
    assert at == f"{START_S + 90}000000000"
    assert len(json.loads(text)["data"]["text"]) == 70_000
    tail.close()
