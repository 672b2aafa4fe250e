"""Calls are made in the order of their moments, and then in the order of scheduling."""

from mc_sched.sim.clock import Clock


def test_the_earliest_call_is_made_first():
    clock, seen = Clock(), []
    for at_ns in (30, 10, 20):
        clock.at(at_ns, lambda: seen.append(clock.now_ns))
    clock.run()
    assert seen == [10, 20, 30]


def test_calls_at_one_moment_are_made_in_the_order_of_scheduling():
    clock, seen = Clock(), []
    for name in "abc":
        clock.at(5, seen.append, name)
    clock.run()
    assert seen == ["a", "b", "c"]


def test_a_cancelled_call_is_not_made():
    clock, seen = Clock(), []
    clock.cancel(clock.at(5, seen.append, "no"))
    clock.at(6, seen.append, "yes")
    clock.run()
    assert seen == ["yes"]


def test_a_call_scheduled_for_now_is_made_after_earlier_ones():
    clock, seen = Clock(), []
    clock.at(5, lambda: clock.at(5, seen.append, "last"))
    clock.at(5, seen.append, "first")
    clock.run()
    assert (seen, clock.now_ns) == (["first", "last"], 5)


def test_time_does_not_advance_to_a_cancelled_call():
    clock = Clock()
    clock.at(5, int)
    clock.cancel(clock.at(6, int))
    clock.run()
    assert clock.now_ns == 5


def test_a_call_scheduled_in_the_past_is_made_now():
    clock, seen = Clock(), []
    clock.at(10, lambda: clock.at(3, lambda: seen.append(clock.now_ns)))
    clock.run()
    assert seen == [10]
