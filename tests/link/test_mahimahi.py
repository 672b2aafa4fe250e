import pytest

from mc_sched.link.mahimahi import TraceError, parse_trace


def test_lines_are_opportunities_in_milliseconds() -> None:
    trace = parse_trace("0\n3\n3\n\n# a comment\n10\n", "x.up")
    assert trace.name == "x.up"
    assert trace.rate.times_ns == (0, 3_000_000, 3_000_000, 10_000_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.up: the trace is empty"),
        ("# only this\n", "x.up: the trace is empty"),
        ("0\n0\n", "every time is 0"),
        ("1\n2\nabc\n", "x.up, line 3: 'abc' is not an integer"),
        ("1.5\n", "line 1: '1.5' is not an integer"),
        ("1\n-2\n", "line 2: -2 is negative"),
        ("1\n\n7\n4\n", "line 4: time decreases from 7 to 4"),
    ],
)
def test_a_bad_trace_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        parse_trace(text, "x.up")
