import dataclasses
import json

import pytest
from mc_models.inference import batch_profiler, profile_store, profiler
from mc_models.inference.devices import DeviceError
from mc_models.inference.profile import Profile, Times, blank_profile
from mc_models.inference.profile_store import (
    best,
    default_file,
    host_profile,
    keep_profiles,
    read_profiles,
)
from mc_models.inference.profiler import measure_profiles

MS = 1_000_000


@pytest.fixture(autouse=True)
def state_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for module in (profiler, batch_profiler):
        monkeypatch.setattr(module, "BUDGET_S", 0.0)  # as few passes as it may be
    return tmp_path / "state"


@pytest.fixture
def measured(monkeypatch):
    """Replaces the measurement by 1 ms for every profile; returns the requested profiles."""
    calls = []

    def measure(blanks, bundle, device):
        calls.append([(b.part, b.precision, b.threads) for b in blanks])
        return [timed(blank, 1.0) for blank in blanks]

    monkeypatch.setattr(profile_store, "measure_profiles", measure)
    return calls


def timed(blank, ms, disturbed=0.0):
    times = Times(int(ms * MS), 2 * MS, 3 * MS, 20)
    return dataclasses.replace(blank, layers={"conv1": times}, disturbed=disturbed)


def blank(precision="float32"):
    return Profile("h" * 64, "edge", precision, "cpu (AVX2)", 1, "robot", "2.9")


def test_quantiles_are_nearest_ranks():
    assert Times.of(range(1, 101)) == Times(50, 95, 99, 100)
    assert Times.of([7]) == Times(7, 7, 7, 1)
    assert Times.of([3, 1, 2]) == Times(2, 3, 3, 3)


def test_every_piece_of_both_networks_is_timed(small_bundle):
    edge = blank_profile(small_bundle, "edge", 1, "float32", "cpu")
    cloud = dataclasses.replace(edge, part="cloud")
    [edge] = measure_profiles([edge], small_bundle, "cpu")
    [cloud] = measure_profiles([cloud], small_bundle, "cpu")
    assert [*edge.layers] == [row.name for row in small_bundle.local.layers]
    assert [*cloud.stages] == [row.name for row in small_bundle.stages]
    assert [*cloud.heads] == [row.name for row in small_bundle.exits]
    assert set(edge.images) == {"decode", "encode"}
    assert set(cloud.images) == {"decode"}
    assert edge.stages == edge.heads == cloud.layers == {}
    assert edge.total_ns == sum(edge.layer_ns)
    assert cloud.total_ns == sum(cloud.stage_ns) + cloud.head_ns["final"]
    for times in [*edge.layers.values(), *cloud.stages.values(), *cloud.heads.values()]:
        assert 0 < times.p50_ns <= times.p95_ns <= times.p99_ns
        assert times.count >= 20
    assert 0 <= edge.disturbed <= 1


def test_each_side_times_its_half_of_the_codec_and_keeps_it(small_bundle, coded_bundle, tmp_path):
    file = tmp_path / "profile.json"
    for part in ("edge", "cloud"):
        blank = blank_profile(coded_bundle, part, 1, "float32", "cpu")
        [measured] = measure_profiles([blank], coded_bundle, "cpu")
        assert measured.codec_ns["features"] > 0
        quiet = dataclasses.replace(measured, disturbed=0.0)
        assert keep_profiles([quiet], coded_bundle, file)
        assert read_profiles(file)[-1] == quiet
        plain = blank_profile(small_bundle, part, 1, "float32", "cpu")
        assert measure_profiles([plain], small_bundle, "cpu")[0].codecs == {}


def test_the_thread_count_is_put_back(small_bundle):
    import torch

    before = torch.get_num_threads()
    expected = blank_profile(small_bundle, "edge", before + 1, "float32", "cpu")
    measure_profiles([expected], small_bundle, "cpu")
    assert torch.get_num_threads() == before


def test_a_profile_is_measured_once_and_then_read(small_bundle, measured, tmp_path):
    file = tmp_path / "deep" / "profile.json"
    first = host_profile(small_bundle, "edge", 1, "float32", file)
    assert host_profile(small_bundle, "edge", 1, "float32", file) == first
    assert measured == [[("edge", "float32", 1)]]
    assert read_profiles(file) == [first]


@pytest.mark.parametrize(
    "other",
    [
        {"bundle_hash": "0" * 64},
        {"host": "another"},
        {"device": "cpu (SSE2)"},
        {"threads": 2},
        {"precision": "bfloat16"},
        {"part": "cloud"},
        {"torch": "1.0"},
    ],
)
def test_a_profile_of_something_else_is_never_used(small_bundle, measured, tmp_path, other):
    file = tmp_path / "profile.json"
    own = blank_profile(small_bundle, "edge", 1, "float32", "cpu")
    assert keep_profiles([dataclasses.replace(timed(own, 9.0), **other)], small_bundle, file)
    found = host_profile(small_bundle, "edge", 1, "float32", file, "cpu")
    assert found.layer_ns == (1 * MS,)
    assert len(measured) == 1
    assert len(read_profiles(file)) == 2


def test_precisions_that_are_compared_are_measured_together(small_bundle, measured, monkeypatch):
    from mc_models.inference import devices

    monkeypatch.setattr(devices, "_has_bfloat16", lambda device: True)
    host_profile(small_bundle, "edge", 1, "float32", device="cpu")
    host_profile(small_bundle, "edge", 1, "auto", device="cpu")
    host_profile(small_bundle, "edge", 1, "bfloat16", device="cpu")
    float32, bfloat16 = ("edge", "float32", 1), ("edge", "bfloat16", 1)
    assert measured == [[float32], [float32, bfloat16]]


def test_reduced_precision_has_to_pay():
    full = timed(blank(), 10.0)
    assert best([full, timed(blank("bfloat16"), 7.0)]).precision == "bfloat16"
    assert best([full, timed(blank("bfloat16"), 9.8)]).precision == "float32"
    assert best([full, timed(blank("bfloat16"), 20.0)]).precision == "float32"


def test_times_of_a_busy_host_are_used_and_not_kept(small_bundle, monkeypatch, tmp_path):
    file = tmp_path / "profile.json"
    monkeypatch.setattr(
        profile_store, "measure_profiles", lambda b, *_: [timed(one, 5.0, 0.6) for one in b]
    )
    assert host_profile(small_bundle, "edge", 1, "float32", file).layer_ns == (5 * MS,)
    assert not file.exists()


def test_the_usual_place_is_the_users_state_directory(small_bundle, measured, state_home):
    host_profile(small_bundle, "cloud", 1, "float32")
    [file] = state_home.rglob("*.json")
    assert file == default_file(small_bundle)
    assert file.parent == state_home / "mc-sched" / "profiles"
    assert json.loads(file.read_text(encoding="utf-8"))["profiles"][0]["part"] == "cloud"


def test_a_name_of_a_bundle_never_leads_out_of_that_place(small_bundle, state_home):
    elsewhere = dataclasses.replace(small_bundle, name="../../etc/x y")
    assert default_file(elsewhere).parent == state_home / "mc-sched" / "profiles"


def test_without_a_place_to_write_every_start_measures(
    small_bundle, measured, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        host_profile(small_bundle, "edge", 1, "float32")
    assert len(measured) == 2


def test_a_given_file_that_cannot_be_written_is_an_error(small_bundle, measured, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        host_profile(small_bundle, "edge", 1, "float32", tmp_path / "file" / "profile.json")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "profiles": [{"part": "edge"}]}']
)
def test_a_damaged_or_older_file_is_measured_again(small_bundle, measured, tmp_path, content):
    file = tmp_path / "profile.json"
    file.write_text(content, encoding="utf-8")
    host_profile(small_bundle, "edge", 1, "float32", file)
    assert len(measured) == len(read_profiles(file)) == 1


def test_a_precision_that_the_host_lacks_is_an_error(small_bundle, measured, monkeypatch):
    from mc_models.inference import devices

    monkeypatch.setattr(devices, "_has_bfloat16", lambda device: False)
    with pytest.raises(DeviceError, match="auto or float32"):
        host_profile(small_bundle, "edge", 1, "bfloat16", device="cpu")
