"""The simulator's driver of a cloud machine, which does in virtual time what `cloud_agent` does.

It performs the machine's actions and reports the events that follow. The executor runs one batch at
a time; payloads are decoded as the machine orders them, several at a time if there are several
decoders. Two things are left out: an upload's timeouts, because the edge has given the upload up
before they pass, and payloads that cannot be decoded. `sessions.py` holds what the agent's front
knows of each edge.
"""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.cloud.schedule import CloudLoad
from mc_sched.core.energy.radio import REPLY_BYTES
from mc_sched.core.tables import CloudTable, Exit
from mc_sched.core.task import Prediction, RefusalCode
from mc_sched.sim.clock import Clock
from mc_sched.sim.machine_driver import MachineDriver, Performers, Recorder
from mc_sched.sim.sent_task import EdgeEnd, Message, SentTask
from mc_sched.sim.sessions import Session
from mc_sched.sim.spec import CloudSpec

SHORT_MESSAGE_BYTES = 100
"""Size of an acceptance, progress, a refusal or a stop, with the headers of TCP and HTTP/2."""
OPEN_PER_TASK = 4
"""Open tasks allowed per task that may wait or run, as in the agent; most of them are uploading."""
SWEEP_NS = 250_000_000
"""Interval at which the agent passes on what its edges want."""
DECODER = -1
"""The decoder's number among the pieces of work; a stage's number is its index."""


def head_piece(table: CloudTable, exit_: Exit) -> int:
    """Return the number of an exit's head among the pieces of work."""
    return len(table.stage_ns) + exit_.stage


class SimCloud:
    """Drives one cloud machine."""

    def __init__(self, clock: Clock, name: str, spec: CloudSpec, record: Recorder | None) -> None:
        self._clock = clock
        self.table = spec.table
        self._machine = CloudMachine(spec.settings, spec.table)
        self._max_open = OPEN_PER_TASK * spec.settings.max_tasks
        self._device = spec.device
        self._arrived: dict[str, SentTask] = {}
        """Open tasks whose payload has arrived."""
        self._sessions: dict[str, Session] = {}
        self.nets = {exit_.name: place + 1 for place, exit_ in enumerate(spec.table.exits)}
        """Number of each exit in the table of true answers; 0 is the local net."""
        performers: Performers = {
            do.Decode: self._decode,
            do.RunStage: self._run_stage,
            do.RunHead: self._run_head,
            do.Accept: self._accept,
            do.Progress: self._send_progress,
            do.Refuse: self._send_end,
            do.Reply: self._reply,
            do.Stop: self._send_end,
            do.Grant: self._grant,
        }
        self._handle = MachineDriver(name, self._machine.handle, performers, record).feed

    # --- messages from the edge ---------------------------------------------------------------

    def probed(self, edge_id: str, last_rtt_ns: int) -> CloudLoad:
        """Take a probe with the round trip that the edge measured; return the load."""
        if last_rtt_ns:
            self._handle(ev.LinkSampled(self._clock.now_ns, last_rtt_ns, edge_id=edge_id))
        return self._machine.load(self._clock.now_ns)

    def join(self, edge: EdgeEnd, number: int) -> None:
        """Take the opening of an edge's session; it replaces an earlier one."""
        earlier = self._sessions.get(edge.edge_id)
        if earlier is not None:
            self.leave(edge, earlier.number)
        now_ns = self._clock.now_ns
        self._sessions[edge.edge_id] = Session(edge, number, now_ns)
        self._handle(ev.EdgeJoined(now_ns, edge.edge_id))

    def leave(self, edge: EdgeEnd, number: int) -> None:
        """Take the end of an edge's session, and stop the work on its tasks."""
        session = self._sessions.get(edge.edge_id)
        if session is None or session.number != number:
            return
        for sent in [sent for sent in self._arrived.values() if sent.edge is edge]:
            self._forget(sent)
            self._handle(ev.ClientGone(self._clock.now_ns, sent.key))
        del self._sessions[edge.edge_id]
        self._handle(ev.EdgeLeft(self._clock.now_ns, edge.edge_id))

    def received(self, sent: SentTask) -> None:
        """Take a payload whose last byte has arrived."""
        session = self._sessions.get(sent.edge.edge_id)
        if session is None or session.number != sent.session or sent.is_over:
            return
        now_ns = self._clock.now_ns
        sent.received_ns, action = now_ns, sent.action
        spent_ns = session.spent_ns(now_ns, sent)
        self._note_wanted(session, action.wanted)
        refusal = self._refusal(session, sent)
        self._arrived[sent.key] = sent
        session.open_tasks += 1
        if refusal is not None:
            self._send_end(refusal)
            return
        self._handle(
            ev.Received(
                now_ns=now_ns,
                task_id=sent.key,
                edge_id=sent.edge.edge_id,
                accuracy=action.accuracy,
                budget_ns=max(0, action.budget_ns - spent_ns),
                down_ns=action.down_ns,
                codec=action.codec,
                exit_rule=action.exit_rule,
                reply_in_ns=max(0, action.reply_in_ns - spent_ns),
                transfer_ns=sent.transfer_ns,
                wanted=action.wanted,
            )
        )

    def _refusal(self, session: Session, sent: SentTask) -> do.Refuse | None:
        """Return the refusal of another task of this edge; None if it may be opened."""
        if not session.has_credit(self._clock.now_ns):
            session.wanted += 1
            return do.Refuse(sent.key, "no credit", RefusalCode.NO_CREDIT)
        if len(self._arrived) >= self._max_open:
            return do.Refuse(sent.key, "overload on the cloud", RefusalCode.TOO_MANY_TASKS)
        return None

    def give_up(self, sent: SentTask) -> None:
        """Take the edge's instruction to stop; ignored if the task is over."""
        now_ns = self._clock.now_ns
        if sent.key in self._arrived:
            self._handle(ev.GiveUpReceived(now_ns, sent.key))
        elif not sent.is_over:
            # a give-up may overtake the task's first message
            self._clock.at(sent.opened_ns, self._stop_upload, sent)

    def _stop_upload(self, sent: SentTask) -> None:
        if sent.key in self._arrived:
            self.give_up(sent)
        elif not sent.is_over and sent.edge.edge_id in self._sessions:
            sent.is_over = True
            sent.received_ns = self._clock.now_ns
            self._send(do.Stop(sent.key, "the upload was given up", 0), sent, SHORT_MESSAGE_BYTES)

    def _note_wanted(self, session: Session, wanted: int) -> None:
        """Pass what an edge wants to the machine, at the next sweep."""
        session.wanted = wanted
        if session.wanted != session.known_wanted and not session.sweep_due:
            session.sweep_due = True
            next_ns = (self._clock.now_ns // SWEEP_NS + 1) * SWEEP_NS
            self._clock.at(next_ns, self._tell_wanted, session)

    def _tell_wanted(self, session: Session) -> None:
        session.sweep_due = False
        edge_id = session.edge.edge_id
        if session.wanted != session.known_wanted and self._sessions.get(edge_id) is session:
            session.known_wanted = session.wanted
            self._handle(ev.CreditsWanted(self._clock.now_ns, edge_id, session.wanted))

    def _forget(self, sent: SentTask) -> None:
        sent.is_over = True
        del self._arrived[sent.key]
        self._sessions[sent.edge.edge_id].open_tasks -= 1

    # --- the machine --------------------------------------------------------------------------

    def _decode(self, action: do.Decode) -> None:
        decode_ns = self.table.codec_named(action.codec).decode_ns
        took_ns = self._took_ns(decode_ns, self._arrived[action.task_id].image, DECODER)
        self._clock.at(self._clock.now_ns + took_ns, self._decoded, action.task_id, took_ns)

    def _decoded(self, task_id: str, took_ns: int) -> None:
        self._handle(ev.Decoded(self._clock.now_ns, task_id, took_ns))

    def _run_stage(self, action: do.RunStage) -> None:
        image = self._arrived[action.task_ids[0]].image
        profiled_ns = round(self.table.stage_time_ns(action.stage, len(action.task_ids)))
        took_ns = self._took_ns(profiled_ns, image, action.stage)
        self._clock.at(self._clock.now_ns + took_ns, self._stage_done, action, took_ns)

    def _stage_done(self, action: do.RunStage, took_ns: int) -> None:
        self._handle(ev.StageDone(self._clock.now_ns, action.task_ids, action.stage, took_ns))

    def _run_head(self, action: do.RunHead) -> None:
        exit_ = self.table.exit_named(action.exit)
        batch = [self._arrived[task_id] for task_id in action.task_ids]
        profiled_ns = round(self.table.head_time_ns(exit_, len(batch)))
        took_ns = self._took_ns(profiled_ns, batch[0].image, head_piece(self.table, exit_))
        # drawn now: a task may be gone when the head is done
        predictions = tuple([self._answer(sent, exit_) for sent in batch])
        self._clock.at(self._clock.now_ns + took_ns, self._head_done, action, predictions, took_ns)

    def _answer(self, sent: SentTask, exit_: Exit) -> Prediction:
        accuracy = exit_.accuracy[sent.action.codec]
        return sent.edge.truth.answer(sent.image, self.nets[exit_.name], accuracy)

    def _head_done(
        self, action: do.RunHead, predictions: tuple[Prediction, ...], took_ns: int
    ) -> None:
        now_ns = self._clock.now_ns
        self._handle(ev.HeadDone(now_ns, action.task_ids, action.exit, predictions, took_ns))

    def _took_ns(self, profiled_ns: int, image: int, piece: int) -> int:
        return self._device.took_ns(profiled_ns, image, piece, self._clock.now_ns)

    # --- messages to the edge -----------------------------------------------------------------

    def _grant(self, action: do.Grant) -> None:
        session = self._sessions.get(action.edge_id)
        if session is not None and session.grant(self._clock.now_ns, action.credits):
            session.sent_credits = session.credits
            arrives_ns = session.edge.link.down_ns(SHORT_MESSAGE_BYTES)
            self._clock.at(
                arrives_ns, session.edge.credits_granted, session.number, session.credits
            )

    def _accept(self, action: do.Accept) -> None:
        sent = self._arrived.get(action.task_id)
        if sent is not None:
            sent.accepted_ns = self._clock.now_ns
            held_ns = sent.accepted_ns - sent.received_ns
            arrives_ns = sent.edge.link.down_ns(SHORT_MESSAGE_BYTES)
            self._clock.at(arrives_ns, sent.edge.accepted, sent, action, held_ns)

    def _send_progress(self, action: do.Progress) -> None:
        sent = self._arrived.get(action.task_id)
        if sent is not None:
            self._send(action, sent, SHORT_MESSAGE_BYTES)

    def _send_end(self, action: do.Refuse | do.Stop) -> None:
        self._send_last(action, SHORT_MESSAGE_BYTES)

    def _reply(self, action: do.Reply) -> None:
        self._send_last(action, REPLY_BYTES)

    def _send_last(self, action: do.Refuse | do.Stop | do.Reply, size_bytes: int) -> None:
        sent = self._arrived.get(action.task_id)
        if sent is not None:
            self._send(action, sent, size_bytes)
            self._forget(sent)

    def _send(self, action: Message, sent: SentTask, size_bytes: int) -> None:
        now_ns, session = self._clock.now_ns, self._sessions[sent.edge.edge_id]
        arrives_ns = sent.edge.link.down_ns(size_bytes)
        self._clock.at(arrives_ns, sent.edge.message, sent, action, self._held_ns(sent))
        if session.reports_load(now_ns):
            load = self._machine.load(now_ns)
            self._clock.at(arrives_ns, sent.edge.load_reported, session.number, load)

    def _held_ns(self, sent: SentTask) -> int:
        """Time since the task's acceptance or, without one, since its payload's last byte."""
        return self._clock.now_ns - (sent.accepted_ns or sent.received_ns)
