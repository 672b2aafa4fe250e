"""Limits of the front; a reload of the configuration may change them."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from mc_sched.core.task import ExitRule


@dataclass(frozen=True)
class Limits:
    """Bounds on what clients may hold of the front's memory and of the agent's time."""

    exit_rule: ExitRule = ExitRule.ADAPTIVE
    """Exit rule of a task that names none."""
    max_payload_bytes: int = 8 * 2**20
    max_open: int = 256
    """Open tasks of all clients, those that are still uploading included."""
    tasks_per_client: int = 256
    sessions_per_client: int = 64
    session_upload_bytes: int = 64 * 2**20
    """Bytes of unfinished payloads of one session."""
    upload_bytes: int = 512 * 2**20
    """Bytes of unfinished payloads of all sessions."""
    unread_bytes: int = 2**20
    """Bytes of messages that one client has not read yet."""
    upload_ns: int = 10 * 10**9
    """Longest time for a payload's upload, whatever its task's budget is."""


class SessionError(Exception):
    """A session cannot go on: a gRPC status, and a sentence for the client."""

    def __init__(self, code: grpc.StatusCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
