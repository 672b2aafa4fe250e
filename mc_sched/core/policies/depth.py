"""Expected accuracy of the cloud's answer, which may come from a deeper exit than requested.

The target is the acceptable exit closest to the input. Under the rule `pursue`, and under
`adaptive` while no other task waits in the cloud, the cloud continues to the deepest exit that is
in time, at no cost to the device. The edge does not know whether others wait; they seldom do.
"""

from __future__ import annotations

from mc_sched.core.policy import CloudForecast, View
from mc_sched.core.task import ExitRule


def accuracy_by(option: CloudForecast, view: View, reply_in_ns: int) -> float:
    """Return the accuracy of the option's deepest exit whose mean time is within `reply_in_ns`."""
    if view.exit_rule is ExitRule.EARLIEST:
        return option.accuracy
    deepest = option.accuracy
    for other in view.cloud:
        if other.codec == option.codec and other.mean_ns <= reply_in_ns:
            deepest = max(deepest, other.accuracy)
    return deepest
