"""Virtual time goes on in order, and what falls together happens as it was asked for."""

from mc_sched.sim.clock import Clock


def test_what_is_due_first_happens_first():
    clock, seen = Clock(), []
    for at_ns in (30, 10, 20):
        clock.at(at_ns, lambda: seen.append(clock.now_ns))
    clock.run()
    assert seen == [10, 20, 30]


def test_what_falls_on_one_moment_happens_in_the_order_it_was_asked_for():
    clock, seen = Clock(), []
    for name in "abc":
        clock.at(5, seen.append, name)
    clock.run()
    assert seen == ["a", "b", "c"]


def test_what_is_cancelled_does_not_happen():
    clock, seen = Clock(), []
    clock.cancel(clock.at(5, seen.append, "no"))
    clock.at(6, seen.append, "yes")
    clock.run()
    assert seen == ["yes"]


def test_what_is_asked_for_the_present_moment_happens_behind_all_that_was():
    clock, seen = Clock(), []
    clock.at(5, lambda: clock.at(5, seen.append, "last"))
    clock.at(5, seen.append, "first")
    clock.run()
    assert (seen, clock.now_ns) == (["first", "last"], 5)


def test_time_does_not_go_on_to_what_was_cancelled():
    clock = Clock()
    clock.at(5, int)
    clock.cancel(clock.at(6, int))
    clock.run()
    assert clock.now_ns == 5


def test_what_has_passed_happens_at_once_and_time_never_goes_back():
    clock, seen = Clock(), []
    clock.at(10, lambda: clock.at(3, lambda: seen.append(clock.now_ns)))
    clock.run()
    assert seen == [10]
