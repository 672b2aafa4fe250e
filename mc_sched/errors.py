"""Errors that are reported to the user.

    McSchedError
    +-- UserError           the command line prints its sentence and exits with its exit code
        +-- ConfigError     a configuration is invalid; names the file and the key
        +-- ConnectError    no agent answers at an address (exit code 3)

The scheduler's own errors, which mean a defect in a driver, are in `mc_sched.core.errors`.
"""


class McSchedError(Exception):
    """Root of the errors that this project raises on purpose."""


class UserError(McSchedError):
    """An error with a sentence that names the thing and what to change."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ConfigError(UserError):
    """A configuration file or key is invalid."""


class ConnectError(UserError):
    """No agent answers at the given address."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=3)


def sentence(error: BaseException) -> str:
    """Describe an error of other code in one line: its class, and its message if it has one."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
