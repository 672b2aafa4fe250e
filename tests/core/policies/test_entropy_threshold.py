"""Tuning of DDNN's entropy threshold."""

from mc_sched.core.policies.entropy_threshold import entropy_thresholds, loosest

ENTROPIES = (0.1, 0.2, 0.3, 0.4)
LOCAL_RIGHT = (True, True, False, False)
CLOUD_RIGHT = {"jpeg": (True, False, True, True)}


def test_each_threshold_has_the_share_it_keeps_and_the_accuracy_it_reaches():
    thresholds = entropy_thresholds(ENTROPIES, LOCAL_RIGHT, CLOUD_RIGHT)
    assert [
        (row.entropy, row.kept, row.accuracy["jpeg"], row.unsure_accuracy) for row in thresholds
    ] == [
        (0.0, 0.0, 0.75, 0.5),
        (0.1, 0.25, 0.75, 0.3333),
        (0.2, 0.5, 1.0, 0.0),
        (0.3, 0.75, 0.75, 0.0),
        (0.4, 1.0, 0.5, 0.0),
    ]


def test_the_largest_threshold_that_reaches_the_qor_counts():
    thresholds = entropy_thresholds(ENTROPIES, LOCAL_RIGHT, CLOUD_RIGHT)
    assert loosest(thresholds, "jpeg", 0.7).entropy == 0.3
    assert loosest(thresholds, "jpeg", 0.9).entropy == 0.2
    assert loosest(thresholds, "jpeg", 0.5).kept == 1.0


def test_the_most_accurate_threshold_if_none_reaches_the_qor():
    thresholds = entropy_thresholds(ENTROPIES, LOCAL_RIGHT, {"jpeg": (False,) * 4})
    assert loosest(thresholds, "jpeg", 0.9).entropy == 0.2


def test_no_threshold_for_a_codec_that_was_not_measured():
    thresholds = entropy_thresholds(ENTROPIES, LOCAL_RIGHT, CLOUD_RIGHT)
    assert loosest(thresholds, "features", 0.5) is None
    assert loosest((), "jpeg", 0.5) is None
