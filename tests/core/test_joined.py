"""In random histories every task ends exactly once and both machines become idle."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core.task import OutcomeKind, Privacy
from tests.core.joined import Joined

MAY_LEAVE = {
    Privacy.ANY: {"jpeg", "features", "nothing", "split"},
    Privacy.FEATURES: {"features", "nothing"},
    Privacy.EDGE_ONLY: {"nothing"},
}


def what_left(history, task_id):
    """The codec under which the image left; all raw splits count as one."""
    return history.sent.get(task_id, "nothing").rstrip("1234")


@settings(max_examples=2000, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from((0.0, 0.1, 0.5)),
    slowest=st.sampled_from((1.2, 3.0, 8.0)),
    tasks=st.integers(1, 14),
)
def test_every_task_ends_exactly_once(seed, loss, slowest, tasks):
    history = Joined(seed, loss, slowest)
    history.run(tasks)

    assert history.edge.is_idle
    assert history.cloud.is_idle
    assert history.outcomes.keys() == history.tasks.keys()
    for task_id, outcomes in history.outcomes.items():
        task = history.tasks[task_id]
        (outcome,) = outcomes
        if outcome.kind is OutcomeKind.SUCCEEDED:
            assert outcome.latency_ns <= task.deadline_ns
            assert outcome.expected_accuracy >= outcome.required_accuracy
        assert what_left(history, task_id) in MAY_LEAVE[task.privacy]


def test_the_histories_send_what_each_privacy_allows():
    """Without this, the property above could hold because histories send nothing."""
    left = {privacy: set() for privacy in Privacy}
    for seed in range(80):
        history = Joined(seed, 0.1, 1.2)
        history.run(14)
        for task_id, task in history.tasks.items():
            left[task.privacy].add(what_left(history, task_id))
    assert left == MAY_LEAVE
