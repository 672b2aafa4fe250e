"""An edge machine, driven by hand, that writes a log as an agent does."""

import orjson

from mc_sched.obs.explain.explain import explain
from mc_sched.obs.log.event_log import FORMAT, EventLog
from mc_sched.obs.store.reader import StoreReader
from mc_sched.obs.store.stores import Stores
from mc_sched.obs.store.writer import KEEP_ALL, StoreWriter
from tests.core.round_figures import CLOUD, LOCAL
from tests.core.scripted_edge import ScriptedEdge


class LoggedEdge(ScriptedEdge):
    """Writes its events and actions to a log, as an agent does."""

    def __init__(self, local=LOCAL, cloud=CLOUD, **settings):
        self.lines = []
        self._log = EventLog(None, "edge")
        self._log.subscribe(self.lines.append)
        super().__init__(local, cloud, warmed_up=False, **settings)
        table = {"format": FORMAT, "settings": self.machine._settings, "table": local}
        self._log.write(0, "config", table)
        handle = self.machine.handle

        def logged(event):
            task = getattr(event, "task", None)
            if task is not None:
                self._log.note_trace(task.task_id, task.trace_id)
            self._log.write(event.now_ns, "event", event)
            actions = handle(event)
            for action in actions:
                self._log.write(event.now_ns, "action", action)
            return actions

        self.machine.handle = logged
        self._warm_up(local, cloud)

    def report_story(self, story):
        self._log.write(self.now_ns, "note", story)

    def stored(self, path=":memory:"):
        """Return the writer of a store that holds its log."""
        writer = StoreWriter(path, KEEP_ALL)
        assert writer.append([orjson.dumps(record) for record in self.lines])
        return writer

    def explain(self, task_id):
        return explain(Stores([StoreReader(self.stored().connection)]), task_id)
