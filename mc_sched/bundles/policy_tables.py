"""Measurement of the tables that policies other than `mc` need, on a bundle's test images.

`mc-sched evaluate --for-policies` and `mc-sched train` use it. The weights stay the same, but the
bundle's hash changes with its tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mc_sched.core.policies.entropy_threshold import entropy_thresholds

if TYPE_CHECKING:
    from mc_models.bundle.load import Bundle
    from mc_models.data.image_sets import ImageSet

Report = Callable[[int, int], None]


def add_policy_tables(bundle: Bundle, images: ImageSet, report: Report | None = None) -> Bundle:
    """Measure the tables on `images`, write them to bundle.json and return the bundle."""
    from mc_models.bundle.rows import ThresholdRow
    from mc_models.bundle.save import rewrite_table
    from mc_models.evaluation.policy_tables import measure_policy_tables

    found = measure_policy_tables(bundle, images, report)
    curve = entropy_thresholds(found.entropies, found.local_right, found.cloud_right)
    thresholds = tuple(
        ThresholdRow(row.entropy, row.kept, row.accuracy, row.unsure_accuracy) for row in curve
    )
    return rewrite_table(
        replace(bundle, exits=found.exits, splits=found.splits, thresholds=thresholds)
    )
