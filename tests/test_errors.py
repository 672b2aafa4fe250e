"""The tree of errors for users, and their exit codes."""

import pytest

from mc_sched.errors import ConfigError, ConnectError, McSchedError, UserError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("wrong"), 1),
        (UserError("wrong", exit_code=2), 2),
        (ConfigError("wrong"), 1),
        (ConnectError("nobody there"), 3),
    ],
)
def test_each_error_has_its_exit_code_and_is_its_sentence(error, code):
    assert error.exit_code == code
    assert isinstance(error, UserError)
    assert isinstance(error, McSchedError)
    assert str(error) in ("wrong", "nobody there")
