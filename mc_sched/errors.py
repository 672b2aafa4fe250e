"""Errors that are meant for people.

    McSchedError
    +-- UserError           the command line prints its sentence and leaves with its exit code
        +-- ConfigError     a configuration file is wrong; names the file and the key
        +-- ConnectError    no agent answers at an address (exit code 3)

The scheduler's own errors, which mean a defect in a driver, are in `mc_sched.core.errors`.
"""


class McSchedError(Exception):
    """Root of the errors that this project raises on purpose."""


class UserError(McSchedError):
    """One sentence that names the thing and what to change."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ConfigError(UserError):
    """A configuration file or key is wrong."""


class ConnectError(UserError):
    """No agent answers at the given address."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=3)


def sentence(error: BaseException) -> str:
    """An error of somebody else's code in one line: its class, and what it says if anything."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:200]}" if said else type(error).__name__
