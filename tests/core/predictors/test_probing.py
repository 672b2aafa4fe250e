"""Measuring the link before a task has to: what a probe carries, and how soon the next one does."""

from mc_sched.core import events as ev
from mc_sched.core.predictors.probing import (
    FRESH_NS,
    LONGEST_SUSPECT_NS,
    PADDING_BYTES,
    SHOWN_NS,
    SUSPECT_NS,
    Padding,
    Probing,
)
from mc_sched.core.predictors.sliding_min import SlidingMin
from tests.core.round_figures import IMAGE_BYTES, at, ns

UP, DOWN, BARE = Padding(up_bytes=PADDING_BYTES), Padding(down_bytes=PADDING_BYTES), Padding()


def measured():
    """Both directions, at 0."""
    probing = Probing(least_samples=1)
    probing.up_measured(0)
    probing.down_probed(0)
    return probing


def padding_if_suspect(probing, now_ns):
    return probing.next_padding(now_ns, warmed_up=True, probe_is_worth_it=True)


# --- how soon ---------------------------------------------------------------------------------


def test_nothing_is_wanted_while_both_directions_are_fresh():
    probing = measured()
    assert probing.next_padding(FRESH_NS, warmed_up=True, probe_is_worth_it=False) == BARE
    assert probing.next_padding(FRESH_NS + 1, warmed_up=True, probe_is_worth_it=False) == UP
    probing.up_measured(SHOWN_NS + 1)
    assert probing.next_padding(SHOWN_NS + 1, warmed_up=True, probe_is_worth_it=False) == DOWN


def test_while_the_prior_speaks_every_probe_is_padded():
    assert measured().next_padding(1, warmed_up=False, probe_is_worth_it=False) == UP


def test_a_suspect_uplink_is_probed_sooner():
    assert padding_if_suspect(measured(), SUSPECT_NS) == BARE
    assert padding_if_suspect(measured(), SUSPECT_NS + 1) == UP


def test_a_suspicion_counts_from_the_moment_when_it_could_request_a_probe():
    probing = measured()
    assert [probing.depends_on_worth(at) for at in (SUSPECT_NS, SUSPECT_NS + 1)] == [False, True]
    probing.up_probed(0, faster=False)
    assert not probing.depends_on_worth(SUSPECT_NS + 1)


def test_each_probe_in_vain_lets_the_next_one_wait_twice_as_long():
    probing = measured()
    for wait_ns in (2 * SUSPECT_NS, LONGEST_SUSPECT_NS, LONGEST_SUSPECT_NS):
        probing.up_probed(0, faster=False)
        assert [padding_if_suspect(probing, wait_ns), padding_if_suspect(probing, wait_ns + 1)] == [
            BARE,
            UP,
        ]


def test_a_faster_link_or_an_upload_makes_them_quick_again():
    for reports in (lambda probing: probing.up_probed(0, faster=True), lambda p: p.up_measured(0)):
        probing = measured()
        probing.up_probed(0, faster=False)
        reports(probing)
        assert padding_if_suspect(probing, SUSPECT_NS + 1) == UP


def test_it_is_done_when_the_priors_are_silent():
    probing = Probing(least_samples=2)
    probing.up_measured(0)
    probing.down_probed(0)
    assert probing.rests_on_prior
    probing.up_probed(1, faster=False)
    assert not probing.rests_on_prior


def test_the_least_of_the_young_values():
    least = SlidingMin(horizon_ns=10)
    assert least.least(0, otherwise=7.0) == 7.0
    for now_ns, value in ((0, 2.0), (4, 5.0), (5, 3.0)):
        least.add(now_ns, value)
    assert [least.least(now_ns, 7.0) for now_ns in (5, 10, 11, 15, 16)] == [2.0, 2.0, 3.0, 3.0, 7.0]


# --- by the machine ---------------------------------------------------------------------------


def meet(make_edge):
    edge = make_edge(warmed_up=False)
    for number in range(3):
        assert edge.probe(number) == BARE  # round trips are not known yet
        edge.tell(number, ev.LinkSampled, ns(10))
    return edge


def test_a_link_that_was_never_measured_is_measured_until_its_priors_are_silent(make_edge):
    edge = meet(make_edge)
    for number in range(2):
        assert edge.probe(3 + number) == UP
        edge.handle(ev.LinkSampled(at(3 + number), ns(18), up_bytes=PADDING_BYTES))
    assert edge.probe(5) == BARE  # round trips stay known
    edge.tell(5, ev.LinkSampled, ns(10))
    assert edge.probe(5) == UP
    edge.handle(ev.LinkSampled(at(5), ns(18), up_bytes=PADDING_BYTES))
    assert edge.probe(6) == DOWN
    edge.handle(ev.LinkSampled(at(60), ns(14), down_bytes=PADDING_BYTES))
    assert edge.probe(60) == BARE
    shown = edge.machine.snapshot(at(60))
    assert (shown.uplink_bps, shown.downlink_bps, shown.rtt_ns) == (8e6, 16e6, ns(10))


def after_slow_uploads(edge, **last):
    """Three uploads at a tenth of the rate; the next task stays on the edge."""
    edge.handle(ev.LinkSampled(at(0), ns(14), down_bytes=PADDING_BYTES))
    for number in range(3):
        edge.submit(500 * number, f"s{number}", 400, policy="server", accuracy=0.0)
        edge.accepted(500 * number + 110, f"s{number}")
        edge.replied(500 * number + 119, f"s{number}")
    edge.submit(1_500, "on-edge", 84, **last)
    edge.local_done(1_520, "on-edge")


def test_a_link_is_suspect_if_its_estimate_alone_keeps_tasks_on_the_edge(edge):
    after_slow_uploads(edge)
    assert edge.outcome("on-edge").site.value == "edge"
    assert edge.probe(1_520) == UP


def test_it_is_not_if_the_best_link_would_not_change_the_decision(edge):
    after_slow_uploads(edge, policy="edge-only")
    assert edge.probe(1_520) == BARE


def test_nor_if_tasks_are_offloaded_anyway(edge):
    edge.submit(0, "in-cloud", 84)
    edge.accepted(20, "in-cloud")
    edge.replied(29, "in-cloud")
    edge.handle(ev.LinkSampled(at(30), ns(14), down_bytes=PADDING_BYTES))
    assert edge.probe(700) == BARE


def test_never_beside_an_upload(edge):
    assert edge.probe(2_500).up_bytes > 0
    edge.submit(2_500, "a", 84)
    assert edge.probe(2_501).up_bytes == 0


def test_nor_while_no_tasks_come(edge):
    edge.handle(ev.LinkSampled(at(0), ns(14), down_bytes=8_000))
    edge.tell(11_000, ev.LinkSampled, ns(10))
    edge.machine.snapshot(at(11_000))  # queries the forecasts, which lets the old samples fade
    assert edge.probe(11_000).up_bytes == 0


def test_a_slow_link_that_has_become_fast_is_found_without_a_task(edge):
    """Three slow uploads keep tasks on the edge; three padded probes bring the offloads back."""
    for number in range(3):
        edge.submit(500 * number, f"s{number}", 400, policy="server", accuracy=0.0)
        edge.accepted(500 * number + 110, f"s{number}")
        edge.replied(500 * number + 119, f"s{number}")
    edge.submit(1_500, "on-edge", 84)
    edge.local_done(1_520, "on-edge")
    for number in range(3):
        edge.handle(ev.LinkSampled(at(2_000 + 100 * number), ns(18), up_bytes=8_000))
    edge.submit(3_000, "in-cloud", 84)
    assert (edge.outcome("on-edge").site.value, edge.calls) == ("edge", {"in-cloud"})
    assert IMAGE_BYTES == 10_000
