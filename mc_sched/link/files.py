"""Reading traces from files, with errors as sentences for people."""

from pathlib import Path

from mc_sched.errors import UserError
from mc_sched.link.mahimahi import TraceError, parse_trace
from mc_sched.link.model import TraceRate


def read_trace(path: str | Path) -> TraceRate:
    """The rate in a Mahimahi file. UserError names the file, and the line where one is wrong."""
    try:
        return parse_trace(Path(path).read_text(encoding="utf-8"), str(path)).rate
    except TraceError as error:
        raise UserError(str(error)) from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text file; give a Mahimahi trace") from None
    except OSError as error:
        raise UserError(f"cannot read the trace {path}: {error.strerror}") from None
