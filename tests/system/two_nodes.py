"""The deployment of the two-node tests: both nodes, the link between them, streams of frames."""

import contextlib
import json
import shutil
import sys
import time
from collections import Counter

from tests.system.nodes import PATIENCE_S, REPO, SHARED, Node, debian_root, sh, until, wheel

PATIENT = {"reconnect": "90s"}
"""Options of a stream that outlasts a restart of the edge agent."""


class Stream:
    """`mc-sched submit` on the edge node, with the test's frames and one result per frame."""

    def __init__(self, edge, shared, name, count, fps=4, logged=True, **options):
        """Start the stream and, if `logged`, wait for its first outcome in the event log."""
        self.count, self._results = count, shared / f"{name}.jsonl"
        before = edge.logged("Finish")
        more = [text for key, value in options.items() for text in (f"--{key}", value)]
        self._process = edge.start(
            "mc-sched", "submit", f"{SHARED}/frames", "--count", count, "--fps", fps,
            "--deadline", "5s", "--accuracy", 0.7, "--mode", "energy",
            "--results", f"{SHARED}/{self._results.name}", "--output", "json", *more,
        )  # fmt: skip
        if logged:
            until(lambda: edge.logged("Finish") > before, what=f"stream {name}: an outcome")

    def leave(self):
        """Kill the stream without waiting for its results; its node may be gone."""
        self._process.kill()
        self._process.communicate()

    def rows(self):
        """Wait for the results and return them, exactly one for each frame."""
        _, errors = self._process.communicate(timeout=PATIENCE_S + self.count)
        rows = [json.loads(line) for line in self._results.read_text().splitlines()]
        ids = [row["task_id"] for row in rows]
        assert len(ids) == len(set(ids)) == self.count, errors
        return rows


class TwoNodes:
    """An edge node and a cloud node with a shaped link between them."""

    def __init__(self, directory, frames):
        self.directory, self.shared = directory, directory / "shared"
        self.shared.mkdir()
        shutil.copytree(frames, self.shared / "frames")
        self.certs = directory / "certs"
        self.edge = Node("edge", directory, self.shared, "10.77.0.2", "10.77.0.1")
        self.cloud = Node("cloud", directory, self.shared, "10.77.0.1", "10.77.0.2")
        self.nodes = (self.cloud, self.edge)

    def make(self):
        """Create roots, namespaces, link, certificates and configuration, without booting."""
        base, built = debian_root(), wheel(self.directory)
        for node in self.nodes:
            node.make(base, built)
        self._make_link()
        self.make_certificates()
        tls = "tls: {directory: /etc/mc-sched/tls"
        log = "event_log: /var/lib/mc-sched/events.jsonl\n"
        self.cloud.configure(f"listen: 10.77.0.1:7071\n{tls}, allow: [edge]}}\n{log}")
        # the local net costs much energy, so that energy mode always prefers the cloud
        costly = "energy: {compute_w: 200}\nmargin: 300ms\n"
        self.edge.configure(f"cloud: 10.77.0.1:7071\nedge_id: edge\n{tls}}}\n{costly}{log}")

    def unmake(self):
        for node in self.nodes:
            node.unmake()

    def stream(self, name, count, **options):
        """Start a stream of frames on the edge node."""
        return Stream(self.edge, self.shared, name, count, **options)

    def wait_until_ready(self):
        """Wait until both agents are ready and the edge can use the cloud."""
        for node in self.nodes:
            until(lambda node=node: node.serves, what=f"{node.kind}: {node.journal()[-1500:]}")
        until(
            lambda: self.edge.status().get("cloud") == "up",
            what="the edge's connection to the cloud",
        )

    # --- certificates -----------------------------------------------------------------------

    def make_certificates(self):
        """Create or renew certificates with `mc-sched certs`, and copy them to each node."""
        job = "renew" if self.certs.exists() else "init"
        hosts = ("--node", "edge", "--node", "cloud=10.77.0.1") if job == "init" else ()
        sh(sys.executable, "-m", "mc_sched.cli", "certs", job, self.certs, *hosts, cwd=REPO)
        for node in self.nodes:
            for file in ("ca.crt", "node.crt", "node.key"):
                place = node.root / "etc/mc-sched/tls" / file
                place.write_bytes((self.certs / node.kind / file).read_bytes())

    # --- the link ---------------------------------------------------------------------------

    def _make_link(self):
        for node in self.nodes:
            sh("ip", "netns", "add", node.netns)
        ends = [word for n in self.nodes for word in ("name", n.link, "netns", n.netns)]
        sh("ip", "link", "add", *ends[:4], "type", "veth", "peer", *ends[4:])
        for node in self.nodes:
            self._ip(node, "addr", "add", f"{node.address}/24", "dev", node.link)
            self._ip(node, "link", "set", "lo", "up")
        self.set_link("up")
        self.shape("20mbit")

    def _ip(self, node, *words):
        sh("ip", "-n", node.netns, *words)

    def set_link(self, state):
        """Connect (up) or disconnect (down) the cable."""
        for node in self.nodes:
            self._ip(node, "link", "set", node.link, state)

    def shape(self, rate):
        """Limit both directions to this rate."""
        for node in self.nodes:
            sh("tc", "-n", node.netns, "qdisc", "replace", "dev", node.link, "root",
               "tbf", "rate", rate, "burst", "16kb", "latency", "200ms")  # fmt: skip


# --- outcomes ------------------------------------------------------------------------------------


def kinds(rows):
    """Number of frames by kind of outcome."""
    return Counter(row["kind"] for row in rows)


def sites(rows):
    """Number of frames by the site that answered."""
    return Counter(row["site"] for row in rows)


def all_succeed(rows):
    """Assert that every frame has succeeded."""
    failures = [(row["kind"], row["reason"]) for row in rows if row["kind"] != "succeeded"]
    assert failures == []


def the_cloud_is_used(two):
    """Return the number of frames of a short stream that the cloud has answered."""
    rows = two.stream(f"try-{time.monotonic_ns()}", 4).rows()
    all_succeed(rows)
    return sites(rows)["cloud"]


@contextlib.contextmanager
def reloaded(node, more):
    """Reload the node's agent with these additional keys, and without them at the end."""
    original = (node.root / f"etc/mc-sched/{node.kind}.yaml").read_text()
    for text in (original + more, original):
        reloads = node.journal().count("reloaded: ")
        node.configure(text)
        node.sh("systemctl", "reload", node.unit)
        until(lambda before=reloads: node.journal().count("reloaded: ") > before, what="a reload")
        if text != original:
            yield
