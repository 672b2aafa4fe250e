"""A defect in a driver or in a machine: never the user's fault, never ignored."""


class MachineError(Exception):
    """Root: something happened that the scheduler's tables do not allow."""


class UnexpectedEvent(MachineError):
    """An event that no state expects, with the story of the task it names."""

    def __init__(self, machine: str, state: str, event: str, story: tuple[str, ...]) -> None:
        lines = "\n  ".join(story) or "(no events yet)"
        super().__init__(f"{machine} machine: {event} in state {state}; its story:\n  {lines}")


class InvariantBroken(MachineError):
    """`validate()` found a machine in a state that must not exist."""
