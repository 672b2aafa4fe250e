"""The energy model, and what a task is charged: computing and radio, nothing for encoding."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.energy.radio import RADIOS, REPLY_BYTES, RadioAir, RadioModel, RadioTail
from mc_sched.core.task import Energy
from tests.core.round_figures import IMAGE_BYTES, MS, ns

FINE = {"accuracy": 0.9}
LOCALLY = {"policy": "edge-only"}
WIFI = RADIOS["wifi"]
SECOND = 1_000 * MS
MEGABIT_BYTES = 125_000


# --- the model --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("radio", "up_mw", "down_mw"),
    [
        ("wifi", 283.17 + 132.86, 137.01 + 132.86),
        ("4g", 438.39 + 1288.04, 51.97 + 1288.04),
        ("3g", 868.98 + 817.88, 122.12 + 817.88),
    ],
)
def test_at_one_megabit_per_second_the_radio_draws_slope_and_base(radio, up_mw, down_mw):
    """P = a * Mbps + b, so a second at 1 Mbps costs a + b millijoules (Huang et al. 2012)."""
    assert RADIOS[radio].up_j(MEGABIT_BYTES, SECOND) == pytest.approx(up_mw / 1e3)
    assert RADIOS[radio].down_j(MEGABIT_BYTES, SECOND) == pytest.approx(down_mw / 1e3)


def test_a_slower_transfer_of_the_same_bytes_costs_the_base_for_longer():
    one, two = (WIFI.up_j(IMAGE_BYTES, ns(ms)) for ms in (10, 20))
    assert two - one == pytest.approx(0.13286 * 0.010)


def test_nothing_sent_costs_nothing():
    assert WIFI.up_j(0, 0) == 0.0


def test_computing_costs_watts_times_seconds():
    assert EnergyModel(compute_w=7.0).compute_j(ns(20)) == pytest.approx(0.14)


def test_a_tasks_total_is_the_sum_of_its_four_parts():
    assert Energy(0.1, 0.02, 0.003, 0.0004).total_j == pytest.approx(0.1234)


# --- the radio's tail ---------------------------------------------------------------------------


def tail(*transfers):
    """Joules that each transfer (start, end) adds to an LTE radio's tail; milliseconds."""
    tail = RadioTail(RADIOS["4g"])
    added = []
    for start, end in transfers:
        added.append(tail.next_j(ns(start)))
        tail.transferred(ns(end))
    return added


WHOLE_TAIL_J = 11.6 * 1.060


def test_a_lone_transfer_pays_a_whole_tail():
    assert tail((0, 10)) == [pytest.approx(WHOLE_TAIL_J)]


def test_one_soon_after_another_pays_for_the_time_between():
    assert tail((0, 10), (83, 93))[1] == pytest.approx(0.073 * 1.060)


def test_one_long_after_another_pays_a_whole_tail_again():
    assert tail((0, 10), (60_000, 60_010))[1] == pytest.approx(WHOLE_TAIL_J)


def test_two_at_once_pay_once():
    assert tail((0, 20), (5, 10))[1] == 0.0


def test_uploads_share_the_time_that_the_radio_sends():
    air = RadioAir()
    spans = ((0, 10), (5, 12), (6, 12), (20, 25))
    assert [air.sent(start, end) for start, end in spans] == [10, 2, 0, 5]


def test_a_radio_whose_tail_is_not_known_has_none():
    assert RadioTail(WIFI).next_j(0) == 0.0


def test_a_tasks_tail_is_reported_beside_its_total(make_edge):
    edge = make_edge(energy=EnergyModel(radio=RADIOS["4g"]))
    edge.submit(60_000, "a", 84, policy="server")
    edge.accepted(60_020, "a")
    edge.replied(60_029, "a")
    energy = spent(edge, "a")
    assert energy.radio_tail_j >= WHOLE_TAIL_J
    assert energy.total_j < 0.1


def test_energy_mode_counts_the_tail_if_configured(make_edge):
    """An upload over LTE costs 0.05 J and 0.2 J of tail after a short rest, a local run 0.14 J."""
    for count_tail, here in ((False, None), (True, "a")):
        energy = EnergyModel(radio=RADIOS["4g"], count_tail=count_tail)
        edge = make_edge(energy=energy)
        edge.submit(0, "a", 84)
        assert edge.running == here


# --- what a task is charged -------------------------------------------------------------------


def spent(edge, task_id):
    return edge.outcome(task_id).energy


def up_j(ms, size=IMAGE_BYTES):
    return pytest.approx(WIFI.up_j(size, ns(ms)))


def test_a_local_run_costs_computing_only(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.local_done(25, "a")
    assert spent(edge, "a") == Energy(compute_j=pytest.approx(7.0 * 0.025))
    assert edge.outcome("a").bytes_up == 0


def test_the_wait_for_the_local_net_costs_nothing(edge):
    edge.submit(0, "x", 84, **LOCALLY)
    edge.submit(0, "a", 84, **LOCALLY)
    edge.local_done(20, "x")
    edge.local_done(40, "a")
    assert spent(edge, "a").compute_j == pytest.approx(7.0 * 0.020)


def test_a_trip_to_the_cloud_costs_radio_only(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a")
    energy = spent(edge, "a")
    assert (energy.compute_j, energy.encode_j) == (0.0, 0.0)
    assert energy.radio_up_j == up_j(10)
    assert energy.radio_down_j > 0
    assert edge.outcome("a").bytes_up == IMAGE_BYTES


def test_the_wait_for_the_uplink_costs_nothing(make_edge):
    edge = make_edge(max_uploads=1)
    edge.submit(0, "x", 84)
    edge.submit(0, "a", 84)
    edge.accepted(20, "x")
    edge.accepted(40, "a")
    edge.replied(49, "a")
    assert spent(edge, "a").radio_up_j == up_j(10)


def test_a_refusal_costs_nothing(edge):
    edge.submit(0, "a", 5)
    assert spent(edge, "a") == Energy()


def test_a_run_that_is_stopped_costs_what_it_took_until_then(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.tell(5, ev.ClientGone, "a")
    assert spent(edge, "a").compute_j == pytest.approx(7.0 * 0.005)


def test_a_fallback_costs_both(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.fallback_fires(60, "a")
    edge.local_done(80, "a")
    assert spent(edge, "a").compute_j == pytest.approx(7.0 * 0.020)
    assert spent(edge, "a").radio_up_j == up_j(10)


def test_a_fallback_that_a_crossing_reply_stops_costs_what_it_took_until_then(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.fallback_fires(60, "a")
    edge.replied(62, "a")
    assert spent(edge, "a").compute_j == pytest.approx(7.0 * 0.002)


def test_what_uploads_at_once_have_in_common_is_paid_once(edge):
    """The radio's base power is drawn once: 15 ms on the air for both of them."""
    edge.submit(0, "a", 84, policy="server")
    edge.submit(5, "b", 84, policy="server")
    edge.accepted(20, "a")
    edge.accepted(25, "b")
    edge.replied(29, "a")
    edge.replied(34, "b")
    assert [spent(edge, task_id).radio_up_j for task_id in "ab"] == [up_j(10), up_j(5)]


def test_an_upload_that_is_cut_costs_its_time_on_the_air(edge):
    edge.submit(0, "a", 5, policy="server")
    edge.deadline_fires(5, "a")  # half of the 10 ms that it takes
    assert edge.outcome("a").bytes_up == IMAGE_BYTES // 2
    assert spent(edge, "a").radio_up_j == up_j(5, IMAGE_BYTES // 2)


def test_an_overdue_upload_has_sent_no_more_than_the_image(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.deadline_fires(84, "a")
    assert edge.outcome("a").bytes_up == IMAGE_BYTES
    assert spent(edge, "a").radio_up_j == up_j(74)  # the acceptance itself would have taken 10 ms


def test_an_upload_that_was_given_up_is_off_the_air_from_then_on(edge):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    edge.local_done(80, "a")
    assert spent(edge, "a").radio_up_j == up_j(50)


def test_whatever_crosses_the_give_up(edge):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    edge.accepted(65, "a")
    edge.local_done(80, "a")
    assert spent(edge, "a").radio_up_j == up_j(50)


def test_so_is_one_whose_call_broke(edge):
    edge.submit(0, "a", 84)
    edge.tell(5, ev.CloudLost, "a", "cut")
    edge.local_done(25, "a")
    assert edge.outcome("a").bytes_up == IMAGE_BYTES // 2


def test_the_time_that_the_cloud_decodes_is_not_on_the_air(edge):
    edge.submit(0, "a", 84)
    edge.tell(28, ev.CloudAccepted, "a", "exit1", ns(9), 0, ns(8))
    edge.replied(37, "a")
    assert spent(edge, "a").radio_up_j == up_j(10)


def test_a_refused_image_was_on_the_air_as_long_as_an_accepted_one(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.tell(20, ev.CloudRefused, "a", "full")
    assert spent(edge, "a").radio_up_j == up_j(10)


def test_no_reply_no_downlink(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.accepted(20, "a", "exit3")
    edge.deadline_fires(84, "a")
    assert spent(edge, "a").radio_down_j == 0.0


def test_a_run_that_goes_as_forecast_costs_what_was_forecast(make_edge):
    """The two sites at equal predicted joules would be equal in the ledger."""
    edge = make_edge()
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a")
    forecast_j = WIFI.up_j(IMAGE_BYTES, ns(10)) + WIFI.down_j(REPLY_BYTES, ns(5))
    assert spent(edge, "a").total_j == pytest.approx(forecast_j)


# --- the model in the settings ----------------------------------------------------------------


def test_the_settings_choose_the_watts_and_the_radio(make_edge):
    radio = RadioModel("declared", 100.0, 0.0, 0.0)
    edge = make_edge(energy=EnergyModel(compute_w=2.0, radio=radio))
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    edge.local_done(80, "a")
    assert spent(edge, "a").compute_j == pytest.approx(2.0 * 0.020)
    assert spent(edge, "a").radio_up_j == pytest.approx(100 * 0.08 * 1e-3)
