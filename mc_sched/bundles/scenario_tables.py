"""The networks and times of a scenario.

A scenario may name a bundle, which the simulator itself must not import.
"""

from __future__ import annotations

from mc_sched.errors import UserError
from mc_sched.sim.scenario import BundleConfig, Scenario, Tables


def tables_of(scenario: Scenario) -> Tables:
    """Return the networks of a scenario. Raises UserError if its bundle cannot be used."""
    own = scenario.own_tables()
    if own is not None:
        return own
    assert scenario.bundle is not None
    return bundle_tables(scenario.bundle)


def bundle_tables(config: BundleConfig) -> Tables:
    """Return a bundle's networks with two hosts' times. Raises UserError if one is missing."""
    from mc_models.bundle.files import BundleError
    from mc_models.bundle.load import load_bundle

    from mc_sched.bundles.tables import cloud_table, local_table, stored_profile

    try:
        bundle = load_bundle(config.name, verify=False)
    except BundleError as error:
        raise UserError(str(error)) from error
    edge = stored_profile(bundle, "edge", config.edge_profile, config.edge_device)
    cloud = stored_profile(bundle, "cloud", config.cloud_profile, config.cloud_device)
    return local_table(bundle, edge), cloud_table(bundle, cloud)
