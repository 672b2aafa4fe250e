"""Errors of a driver or a machine. They are defects of the program, never the user's fault."""


class MachineError(Exception):
    """Root: an event or a state that the scheduler does not allow."""


class UnexpectedEvent(MachineError):
    """An event that the task's state does not allow, with the task's story."""

    def __init__(self, machine: str, state: str, event: str, story: tuple[str, ...]) -> None:
        lines = "\n  ".join(story) or "(no events yet)"
        super().__init__(f"{machine} machine: {event} in state {state}; its story:\n  {lines}")


class InvariantBroken(MachineError):
    """A machine is in a state that must not exist; raised by `validate()`."""
