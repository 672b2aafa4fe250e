"""Objects that are excluded from garbage collections."""

import gc

from mc_sched.service.garbage import keep_for_good


def test_what_is_there_is_not_visited_again_and_later_garbage_is_collected():
    try:
        keep_for_good()
        assert gc.get_freeze_count() > 0
        before = len(gc.get_objects())
        cycle = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() >= 1
        assert before < 1000
    finally:
        gc.unfreeze()
