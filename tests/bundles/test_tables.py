"""A bundle's tables with a stored profile, for the simulator: no measurement, no torch."""

import subprocess
import sys

import pytest
from mc_models.bundle.load import load_bundle
from mc_models.inference.profile import BatchTimes, Profile, Times
from mc_models.inference.profile_store import keep_profiles

from mc_sched.bundles.tables import cloud_table, local_table, stored_profile
from mc_sched.errors import UserError

MS = 1_000_000


def times(ms):
    return Times(round(ms * MS), round(ms * MS), round(ms * MS), 20)


@pytest.fixture(scope="module")
def bundle():
    return load_bundle("set-a", verify=False)


def batch_of(bundle, size, ms):
    """A batch that takes twice as long as one image."""
    stages = {row.name: times(2 * ms) for row in bundle.stages}
    return BatchTimes(size, stages, {row.name: times(2 * ms / 10) for row in bundle.exits})


def profiles(bundle, device, ms):
    about = (bundle.hash, "float32", device, 1, "host", "2.9")
    bundle_hash, precision, device, threads, host, torch = about
    codecs = {row.name: times(ms) for row in bundle.codecs}
    common = {
        "stages": {row.name: times(ms) for row in bundle.stages},
        "heads": {row.name: times(ms / 10) for row in bundle.exits},
        "splits": {row.name: times(ms / 100) for row in bundle.splits},
    }
    edge = Profile(
        bundle_hash, "edge", precision, device, threads, host, torch,
        layers={row.name: times(ms) for row in bundle.local.layers}, codecs=codecs, **common,
    )  # fmt: skip
    cloud = Profile(
        bundle_hash, "cloud", precision, device, threads, host, torch,
        images={"decode": times(1)}, codecs=codecs, **common, batches=(batch_of(bundle, 4, ms),),
    )  # fmt: skip
    return [edge, cloud]


@pytest.fixture
def file(bundle, tmp_path):
    """Profiles of a slow and a fast device."""
    path = tmp_path / "profile.json"
    for device, ms in (("cpu (AVX2)", 4), ("NVIDIA H100", 1)):
        for profile in profiles(bundle, device, ms):
            assert keep_profiles([profile], bundle, path)
    return str(path)


def test_the_fastest_device_is_used_unless_one_is_named(bundle, file):
    fast = local_table(bundle, stored_profile(bundle, "edge", file))
    slow = local_table(bundle, stored_profile(bundle, "edge", file, "cpu"))
    assert fast.total_ns == len(bundle.local.layers) * MS
    assert slow.total_ns == 4 * fast.total_ns


def test_the_cloud_has_times_and_accuracies(bundle, file):
    table = cloud_table(bundle, stored_profile(bundle, "cloud", file))
    assert table.stage_ns == (MS,) * len(bundle.stages)
    assert table.exits[-1].accuracy == bundle.exits[-1].top5
    assert table.codec_named("jpeg").decode_ns == MS


def test_the_cloud_has_times_by_batch(bundle, file):
    table = cloud_table(bundle, stored_profile(bundle, "cloud", file))
    assert table.batch_sizes == (1, 4)
    assert table.stage_batch_ns == ((MS, 2 * MS),) * len(bundle.stages)
    assert {exit_.head_batch_ns for exit_ in table.exits} == {(MS // 10, MS // 5)}


def test_a_split_costs_the_stages_before_it_and_packing(bundle, file):
    local = local_table(bundle, stored_profile(bundle, "edge", file))
    assert local.encode_ns["split2"] == 2 * MS + MS // 100
    assert local.cloud_net.path_ns(local.cloud_net.exits[-1]) == len(bundle.stages) * MS + MS // 10
    cloud = cloud_table(bundle, stored_profile(bundle, "cloud", file))
    assert [codec.name for codec in cloud.codecs] == ["jpeg", "features"]
    split = cloud.codec_named("split2")
    assert (split.stage, split.decode_ns) == (2, MS // 100)
    assert split.payload_bytes == bundle.splits[1].message_bytes


def test_thresholds_come_from_the_bundle(bundle, file):
    local = local_table(bundle, stored_profile(bundle, "edge", file))
    assert len(local.thresholds) == len(bundle.thresholds)
    assert local.thresholds[-1].accuracy == bundle.thresholds[-1].top5


def test_a_device_without_a_profile_is_an_error_that_lists_the_others(bundle, file):
    with pytest.raises(
        UserError, match=r"no profile of the device 'TX1'; profiled devices: NVIDIA H100, cpu"
    ):
        stored_profile(bundle, "edge", file, "TX1")


def test_a_missing_profile_is_an_error_with_the_command_to_measure_one(bundle, tmp_path):
    with pytest.raises(UserError, match="measure one with `mc-sched profile set-a`"):
        stored_profile(bundle, "edge", str(tmp_path / "none.json"))


def test_torch_is_not_loaded(file):
    program = (
        "import sys; from mc_models.bundle.load import load_bundle\n"
        "from mc_sched.bundles.tables import *\n"
        "bundle = load_bundle('set-a', verify=False)\n"
        f"local_table(bundle, stored_profile(bundle, 'edge', {file!r}))\n"
        f"cloud_table(bundle, stored_profile(bundle, 'cloud', {file!r}))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
