"""The console's API, without a browser."""

import http.client
import json
from urllib.parse import quote, urlencode

import pytest

from mc_sched.obs.console.page_query import width_s, words_of
from mc_sched.obs.routes import agent_routes
from mc_sched.obs.store.query import Query
from mc_sched.obs.store.writer import KEEP_ALL, StoreWriter
from mc_sched.obs.web.server import WebServer
from tests.obs.logged_edge import LoggedEdge
from tests.obs.stored import START_S, finish, line, stores_of

START_MS = START_S * 1000
RANGE = {"from": START_MS - 1000, "to": START_MS + 100_000}
ENERGY = {"compute_j": 0.5, "encode_j": 0, "radio_up_j": 0, "radio_down_j": 0}


class Agent:
    """The HTTP port of an agent with this store."""

    def __init__(self, store):
        self._server = WebServer("127.0.0.1:0", agent_routes("edge", store))
        self._server.start()

    def get(self, path, headers=None, **query):
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=10)
        connection.request("GET", f"{path}?{urlencode(query)}", headers=headers or {})
        response = connection.getresponse()
        body, headers = response.read(), response.headers
        connection.close()
        return response.status, body, headers

    def ask(self, path, **query):
        status, body, _ = self.get(f"/api/{path}", **{**RANGE, **query})
        assert status == 200, body
        return json.loads(body)

    def first_pieces(self, path, count, headers=None, **query):
        """Return the first lines of a streamed answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=10)
        address = f"/api/{path}?{urlencode({**RANGE, **query})}"
        connection.request("GET", address, headers=headers or {})
        response = connection.getresponse()
        yield from (response.readline().decode() for _ in range(count))
        connection.close()

    def close(self):
        self._server.close()


@pytest.fixture
def agent(tmp_path):
    fields = {"latency_ns": 20_000_000, "predicted_ns": 25_000_000, "energy": ENERGY}
    stores_of(
        finish(1, "a-1", **fields),
        finish(2, "a-2", "late", "cloud", "exit2", **fields),
        line(3, "LinkSampled", "debug", rtt_ns=8_000_000),
        line(4, "PowerSampled", "debug", power_w=7.5),
        line(5, "CloudGone", "warning", reason="<b>cut</b>"),
        line(6, "RecordScore", "debug", score={"predictor": "local", "mean_ns": 1, "actual_ns": 2}),
        line(7, "note"),
        path=tmp_path / "edge.db",
    ).close()
    made = Agent(tmp_path / "edge.db")
    yield made
    made.close()


def test_lines_have_ids_that_javascript_represents_exactly(agent):
    found = agent.ask("lines", limit=2)
    assert [one["record"]["name"] for one in found] == ["note", "RecordScore"]
    assert all(isinstance(one["id"], str) for one in found)
    further = agent.ask("lines", limit=2, before=found[-1]["id"])
    assert [one["record"]["name"] for one in further] == ["CloudGone", "PowerSampled"]
    assert agent.ask("lines", order="oldest", limit=1)[0]["record"]["task_id"] == "a-1"


def test_filters(agent):
    names = [one["record"]["name"] for one in agent.ask("lines", where="level=warning")]
    assert names == ["CloudGone", "Finish"]
    assert len(agent.ask("lines", level="warning")) == 2
    assert len(agent.ask("lines", words="cut")) == 1
    assert agent.ask("lines", words='"b>cut"')[0]["record"]["data"]["reason"] == "<b>cut</b>"


def test_the_volume_fits_the_range(agent):
    found = agent.ask("volume")
    assert found["width_s"] == 2
    assert sum(sum(levels.values()) for _, levels in found["bars"]) == 7
    assert agent.ask("volume", where="site=cloud")["bars"] == [[START_S + 2, {"warning": 1}]]


def test_labels_statistics_and_context(agent):
    assert agent.ask("labels")["outcome"] == ["late", "succeeded"]
    found = agent.ask("statistics", field="name")
    assert (found["lines"], found["values"]) == (7, 6)
    assert found["top"][0] == ["Finish", 2]
    middle = agent.ask("lines", where="name=LinkSampled")[0]["id"]
    names = [one["record"]["name"] for one in agent.ask("around", id=middle, limit=1)]
    assert names == ["Finish", "LinkSampled", "PowerSampled"]


def test_the_dashboards_data(agent):
    found = agent.ask("dashboard")
    assert found["outcomes"] == {"succeeded": [[START_S + 1, 1]], "late": [[START_S + 2, 1]]}
    assert found["sites"] == {"edge": [[START_S + 1, 1]], "cloud": [[START_S + 2, 1]]}
    assert found["exits"]["exit2"] == [[START_S + 2, 1]]
    assert found["tasks"][0] == [START_S + 1, 20.0, "edge", 25.0, "a-1", 2.0]
    assert found["tasks"][1][5] == 1.0  # one success for two half joules
    assert found["rtt_ms"] == [[START_S + 3, 8.0]]
    assert found["power_w"] == [[START_S + 4, 7.5]]
    assert found["link"] == [[START_S + 5, 0]]
    assert found["forecasts"] == {"local": [[1e-6, 2e-6]]}


def test_downloads(agent):
    status, body, headers = agent.get("/api/download", format="json", **RANGE)
    assert (status, headers["Content-Disposition"]) == (200, 'attachment; filename="edge.jsonl"')
    assert len([json.loads(text) for text in body.splitlines()]) == 7
    text = agent.get("/api/download", format="text", **RANGE)[1].decode()
    assert 'warning edge - CloudGone {"reason":"<b>cut</b>"}' in text


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("lines", {"where": "late"}, "not a condition"),
        ("lines", {"where": "a='b"}, "quotation"),
        ("lines", {"level": "loud"}, "level: 'loud' is not one of"),
        ("lines", {"limit": "9" * 30}, "limit"),
        ("lines", {"where": "n>many"}, "only numbers"),
        ("lines", {"where": "a..b=1"}, "not a condition"),
        ("lines", {"words": "x" * 9000}, "takes at most"),
        ("lines", {"from": "yesterday"}, "from"),
        ("task/nobody", {}, "holds the beginning"),
        ("around", {"id": "x"}, "id"),
    ],
)
def test_bad_requests_are_answered_with_a_sentence(agent, path, query, message):
    status, body, _ = agent.get(f"/api/{path}", **{**RANGE, **query})
    assert status == 400
    assert message in json.loads(body)["error"]


def test_a_task_with_its_bars(tmp_path):
    edge = LoggedEdge()
    edge.submit(0, "a/b c", 84)
    edge.accepted(20, "a/b c")
    edge.replied(29, "a/b c")
    edge.stored(tmp_path / "edge.db").close()
    agent = Agent(tmp_path / "edge.db")
    found = agent.ask(f"task/{quote('a/b c')}")
    agent.close()
    bars = {bar["name"]: (bar["lane"], bar["start_ms"], bar["end_ms"]) for bar in found["spans"]}
    assert bars == {"task": ("edge", 0.0, 29.0), "upload": ("link", 0.0, 20.0)}
    upload = next(bar for bar in found["spans"] if bar["name"] == "upload")
    assert (upload["mean_ms"], upload["upper_ms"]) == pytest.approx((20.0, 20.0))
    assert found["cause"] == "it was offloaded, and the cloud answered in time"


def test_the_page_and_nothing_beside_it(agent):
    status, body, headers = agent.get("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"http://" not in body
    assert b"https://" not in body
    for name in ("main.js", "console.css", "vendor/uplot/uPlot.min.css", "vendor/uplot/LICENSE"):
        assert agent.get(f"/static/{name}")[0] == 200, name
    for name in ("../api.py", "vendor/../../api.py", "none.js", "%2e%2e/pages.py", "vendor"):
        assert agent.get(f"/static/{name}")[0] == 404, name


def test_the_tail_continues_with_new_lines(agent, tmp_path):
    pieces = agent.first_pieces("tail", 6)
    assert next(pieces) == ": new lines follow\n"
    next(pieces)
    writer = StoreWriter(tmp_path / "edge.db", KEEP_ALL)
    writer.append([line(50, "fresh", text="new")])
    writer.close()
    sent = json.loads(next(pieces).removeprefix("data: "))
    assert sent["record"]["name"] == "fresh"
    next(pieces)
    assert next(pieces) == f"id: {sent['id']}-0\n"
    pieces.close()


def test_an_interrupted_tail_continues_where_it_was(agent):
    """The browser sends the id of its last event."""
    last = agent.ask("lines", where="name=CloudGone")[0]["id"]
    pieces = agent.first_pieces("tail", 6, headers={"Last-Event-ID": f"{last}-0"})
    sent = [json.loads(piece[6:]) for piece in pieces if piece.startswith("data: ")]
    assert sent[0]["record"]["name"] == "RecordScore"


@pytest.mark.parametrize("known", ["x", "5", "1-0 2-0", f"{2**63}-0", "1-0x"])
def test_a_tail_with_an_unknown_position_is_refused(agent, known):
    status, body, _ = agent.get("/api/tail", headers={"Last-Event-ID": known})
    assert status == 400
    assert "not an id of this live tail" in json.loads(body)["error"]


def test_bars_have_round_widths():
    hour = 3600 * 10**9
    assert width_s(Query(0, hour), 80) == 60
    assert width_s(Query(0, 7 * 24 * hour), 80) == 21_600
    assert width_s(Query(0, 1000 * 24 * hour), 80) == 604_800


def test_words_may_be_quoted():
    assert words_of('a "b c" d*') == ("a", "b c", "d*")
    assert words_of('it"s') == ('it"s',)
