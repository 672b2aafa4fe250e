"""The choice of a worker: the earliest promised answer among the workers that are up."""

from hypothesis import given
from hypothesis import strategies as st

from mc_sched.core.cloud.routing import Router, WorkerLoad
from mc_sched.core.tables import CloudTable, Codec, Exit

MS = 1_000_000


def table(stage_ms=1):
    """Three stages of `stage_ms` and exits behind the first and the last."""
    return CloudTable(
        "cloud",
        stage_ns=(stage_ms * MS,) * 3,
        exits=(Exit("exit1", 0, MS, {"jpeg": 0.6}), Exit("final", 2, MS, {"jpeg": 0.9})),
        codecs=(Codec("jpeg", decode_ns=MS),),
    )


def router(*stage_ms):
    made = Router()
    for index, each in enumerate(stage_ms):
        made.add(index, table(each))
    return made


def test_without_a_worker_there_is_no_choice():
    assert Router().choose(0, "jpeg", 0.5) is None
    assert Router().shortest_wait(0) is None


def test_the_first_of_equals_is_chosen():
    assert router(1, 1).choose(0, "jpeg", 0.5) == 0


def test_tasks_that_are_on_their_way_count_until_a_report_has_them():
    workers = router(1, 1)
    chosen = []
    for _ in range(4):
        chosen.append(workers.choose(0, "jpeg", 0.5))
        workers.routes[chosen[-1]].send("jpeg", 0.5)
    assert chosen == [0, 1, 0, 1]
    assert workers.routes[0].wait_ns(0) == 2 * 3 * MS  # decode, one stage, one head, twice
    workers.routes[0].report(WorkerLoad(reported_ns=0, queue_ns=MS, received=1))
    assert workers.routes[0].wait_ns(0) == MS + 3 * MS
    workers.routes[0].report(WorkerLoad(reported_ns=0, queue_ns=MS, received=2))
    assert workers.routes[0].wait_ns(0) == MS


def test_reported_work_passes_with_time():
    workers = router(1, 1)
    workers.routes[0].report(WorkerLoad(reported_ns=0, queue_ns=10 * MS))
    assert workers.choose(0, "jpeg", 0.5) == 1
    assert workers.routes[0].wait_ns(4 * MS) == 6 * MS
    assert workers.routes[0].wait_ns(40 * MS) == 0
    assert workers.choose(40 * MS, "jpeg", 0.5) == 0


def test_a_fast_device_is_chosen_until_its_queue_makes_up_for_it():
    workers = router(10, 1)
    assert workers.choose(0, "jpeg", 0.9) == 1
    workers.routes[1].report(WorkerLoad(reported_ns=0, queue_ns=20 * MS))
    assert workers.choose(0, "jpeg", 0.9) == 1
    workers.routes[1].report(WorkerLoad(reported_ns=0, queue_ns=40 * MS))
    assert workers.choose(0, "jpeg", 0.9) == 0


def test_a_slowed_down_worker_promises_later():
    workers = router(1, 1)
    workers.routes[0].report(WorkerLoad(slowdown=3.0))
    assert workers.choose(0, "jpeg", 0.9) == 1


def test_the_path_starts_at_the_codecs_stage_and_ends_at_the_first_accurate_exit():
    workers = router(1)
    route = workers.routes[0]
    assert route.answer_ns(0, "jpeg", 0.5) == 3 * MS
    assert route.answer_ns(0, "jpeg", 0.8) == 5 * MS
    assert route.answer_ns(0, "jpeg", 0.99) == 0
    assert route.answer_ns(0, "webp", 0.5) == 0


def test_a_worker_that_is_down_is_not_chosen_and_starts_anew():
    workers = router(1, 1)
    workers.routes[0].send("jpeg", 0.5)
    workers.remove(0)
    workers.remove(0)
    assert workers.choose(0, "jpeg", 0.5) == 1
    workers.add(0, table())
    assert workers.routes[0].wait_ns(0) == 0


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 100), st.floats(0.5, 4)), min_size=1),
    st.integers(0, 100),
    st.sampled_from((0.5, 0.9)),
)
def test_no_worker_promises_an_earlier_answer_than_the_chosen_one(rows, now_ms, accuracy):
    workers = router(*[stage_ms for stage_ms, _, _ in rows])
    for index, (_, queue_ms, slowdown) in enumerate(rows):
        workers.routes[index].report(WorkerLoad(0, queue_ms * MS, slowdown))
    now_ns = now_ms * MS
    chosen = workers.routes[workers.choose(now_ns, "jpeg", accuracy)]
    promised_ns = chosen.answer_ns(now_ns, "jpeg", accuracy)
    assert all(
        route.answer_ns(now_ns, "jpeg", accuracy) >= promised_ns
        for route in workers.routes.values()
    )
