"""How accurate an answer of the cloud is expected to be: it may go deeper than it is asked to.

The target is the acceptable exit closest to the input. Under `pursue`, and under `adaptive` while
no other task waits there, the cloud goes on to the deepest exit that is in time, which costs this
device nothing. Whether others wait is not known here; they seldom do.
"""

from __future__ import annotations

from mc_sched.core.policy import CloudForecast, View
from mc_sched.core.task import ExitRule


def depth(option: CloudForecast, view: View, reply_in_ns: int) -> float:
    """Accuracy of the deepest exit by the option's codec that answers, on the mean, by then."""
    if view.exit_rule is ExitRule.EARLIEST:
        return option.accuracy
    deepest = option.accuracy
    for other in view.cloud:
        if other.codec == option.codec and other.mean_ns <= reply_in_ns:
            deepest = max(deepest, other.accuracy)
    return deepest
