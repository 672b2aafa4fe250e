"""The networks and times that a scenario names.

Those of a bundle are read here, as the simulator itself cannot: it knows no bundle.
"""

from __future__ import annotations

from mc_sched.errors import UserError
from mc_sched.sim.scenario import BundleConfig, Scenario, Tables


def tables_of(scenario: Scenario) -> Tables:
    """The networks of a scenario. UserError says what is missing of a bundle's."""
    own = scenario.own_tables()
    if own is not None:
        return own
    assert scenario.bundle is not None
    return bundle_tables(scenario.bundle)


def bundle_tables(config: BundleConfig) -> Tables:
    """A bundle's networks with the times of two hosts. UserError says what is missing."""
    from mc_models.bundle.files import BundleError
    from mc_models.bundle.load import load_bundle

    from mc_sched.bundles.tables import cloud_table, kept_profile, local_table

    try:
        bundle = load_bundle(config.name, verify=False)
    except BundleError as error:
        raise UserError(str(error)) from error
    edge = kept_profile(bundle, "edge", config.edge_profile, config.edge_device)
    cloud = kept_profile(bundle, "cloud", config.cloud_profile, config.cloud_device)
    return local_table(bundle, edge), cloud_table(bundle, cloud)
