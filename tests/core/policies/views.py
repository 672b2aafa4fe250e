"""A task, forecasts and a view in round figures, for the tests of policies."""

from dataclasses import replace

from mc_sched.core.policy import CloudForecast, SiteForecast, View
from mc_sched.core.task import Constraint, ExitRule, Mode, Shortfall, Site, Task
from tests.core.round_figures import ns

TASK = Task("a", "s", 0, ns(100))
EDGE = SiteForecast(accuracy=0.80, mean_ns=ns(20), upper_ns=ns(30), energy_j=0.20)
NEAR = CloudForecast(0.77, ns(30), ns(40), 0.10, exit="near", codec="jpeg", accepted_ns=ns(20))
FAR = CloudForecast(0.91, ns(50), ns(60), 0.10, exit="far", codec="jpeg", accepted_ns=ns(20))
VIEW = View(
    now_ns=0,
    remaining_ns=ns(100),
    latest_start_ns=ns(66),
    accuracy=0.75,
    mode=Mode.ENERGY,
    exit_rule=ExitRule.ADAPTIVE,
    edge=EDGE,
    cloud=(NEAR, FAR),
)


def view(**fields):
    return replace(VIEW, **fields)


def edge(**fields):
    return replace(EDGE, **fields)


def near(**fields):
    return replace(NEAR, **fields)


def edge_short(constraint, needed, offered):
    return Shortfall(Site.EDGE, Constraint(constraint), needed, offered)


def cloud_short(constraint, needed, offered):
    return Shortfall(Site.CLOUD, Constraint(constraint), needed, offered)


UNREACHABLE = cloud_short("link", 1, 0)
FORBIDDEN = cloud_short("privacy", 1, 0)
