"""The options that policies choose from: which ones a task may use, and which of them would do."""

from __future__ import annotations

from collections.abc import Iterable

from mc_sched.core.policy import CloudForecast, Fallback, Offload, Refuse, SiteForecast, View
from mc_sched.core.quantiles import normal_exceedance
from mc_sched.core.task import Constraint, ExitRule, Privacy, Shortfall, Site, Task


def probability_beyond(limit_ns: int, option: SiteForecast, after_ns: int = 0) -> float:
    """Probability that an option that starts `after_ns` from now takes until after `limit_ns`."""
    return normal_exceedance(limit_ns - after_ns, option.mean_ns, option.upper_ns)


# --- probability and feasibility ----------------------------------------------------------------


def edge_shortfall(
    view: View, *, upper: bool = True, local: SiteForecast | None = None
) -> Shortfall | None:
    """Return why the edge cannot serve the task, or None if it can (Algorithm I, lines 4 to 13).

    `local` is what the edge would run; None stands for the local net. With `upper` the upper
    quantile of its time has to meet the deadline, otherwise the mean.
    """
    local = local or view.edge
    if local.accuracy < view.accuracy:
        return Shortfall(Site.EDGE, Constraint.ACCURACY, view.accuracy, local.accuracy)
    time_ns = local.upper_ns if upper else local.mean_ns
    if time_ns > view.remaining_ns:
        return Shortfall(Site.EDGE, Constraint.DEADLINE, time_ns, view.remaining_ns)
    return None


def allowed_options(task: Task, view: View) -> list[CloudForecast] | Shortfall:
    """Return the cloud options that the task's privacy permits, or why there are none."""
    allowed = [option for option in view.cloud if task.privacy.allows(option.codec)]
    if allowed:
        return allowed
    forbidden = view.cloud or not task.may_leave
    return Shortfall(Site.CLOUD, Constraint.PRIVACY if forbidden else Constraint.LINK, 1, 0)


def cloud_choices(
    task: Task, view: View, *, upper: bool = True
) -> tuple[CloudForecast, ...] | Shortfall:
    """Return one option per codec: the acceptable exit closest to the input that is in time.

    The closest exit, because the cloud will take that one as its target. If no codec has such an
    exit, return why.
    """
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall):
        return allowed
    accurate = [option for option in allowed if option.accuracy >= view.accuracy]
    if not accurate:
        best = max(option.accuracy for option in allowed)
        return Shortfall(Site.CLOUD, Constraint.ACCURACY, view.accuracy, best)

    def time_ns(option: CloudForecast) -> int:
        return option.upper_ns if upper else option.mean_ns

    in_time = [option for option in accurate if time_ns(option) <= view.remaining_ns]
    if not in_time:
        missing = missing_credit(accurate, view, upper=upper)
        if missing is not None:
            return missing
        needed_ns = min(map(time_ns, accurate))
        return Shortfall(Site.CLOUD, Constraint.DEADLINE, needed_ns, view.remaining_ns)
    return tuple({option.codec: option for option in reversed(in_time)}.values())


def missing_credit(
    options: Iterable[CloudForecast], view: View, *, upper: bool = True
) -> Shortfall | None:
    """Return the shortfall if one of the late options would be in time with a credit, else None."""
    if not view.credit_in_ns:
        return None
    with_credit = (option.with_credit for option in options)
    least_ns = min((o.upper_ns if upper else o.mean_ns for o in with_credit), default=None)
    if least_ns is None or least_ns > view.remaining_ns:
        return None
    spare_ns = view.remaining_ns - least_ns
    return Shortfall(Site.CLOUD, Constraint.CREDIT, view.credit_in_ns, spare_ns)


def fastest_cloud_choice(
    task: Task, view: View, *, upper: bool = True
) -> CloudForecast | Shortfall:
    """Return the fastest of the cloud choices, or why there is none."""
    choices = cloud_choices(task, view, upper=upper)
    if isinstance(choices, Shortfall):
        return choices
    return min(choices, key=lambda option: option.upper_ns if upper else option.mean_ns)


# --- for static policies ------------------------------------------------------------------------


def partition_options(task: Task, view: View) -> list[CloudForecast]:
    """Return what a policy that partitions the cloud net may send.

    That is the image or raw activations; the features codec only if privacy permits nothing else.
    """
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall):
        return []
    return [o for o in allowed if not Privacy.FEATURES.allows(o.codec)] or allowed


def offload_to_last_exit(allowed: list[CloudForecast]) -> Offload:
    """Offload to the last exit, without fallback, by the codec that loses the least accuracy."""
    ends = (option for option in allowed if option.exit == allowed[-1].exit)
    return offload_without_fallback(max(ends, key=lambda option: option.accuracy))


def offload_without_fallback(option: CloudForecast) -> Offload:
    """Offload by exactly this option, without fallback or give-up, as static policies do."""
    return Offload(option.codec, option.accuracy, ExitRule.EARLIEST, option.mean_ns, Fallback.NEVER)


def refuse_without_tables() -> Refuse:
    """Refuse the task because the bundle lacks the tables that the policy decides by."""
    return Refuse((Shortfall(Site.EDGE, Constraint.TABLES, 1, 0),))
