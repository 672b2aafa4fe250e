"""Invalid input on the command line and on the wire: one sentence, and the rest is served."""

import json
import shutil
import socket

import grpc
import pytest
from mc_proto.channel import connect
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from tests.edge_agent.made_images import TEXT, cut_jpeg, huge_png, image_bytes
from tests.system.deployment import GENEROUS, SHIPPED, mc_sched, run

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

BAD_FILES = {
    "02-text.jpg": TEXT,
    "04-cut.jpg": cut_jpeg((224, 224)),
    "06-huge.png": huge_png(),
    "08-empty.jpg": b"",
    "10-too-large.jpg": image_bytes().ljust(9 * 2**20, b"\0"),
}


@pytest.fixture(scope="module")
def mixed_folder(frame_folder, tmp_path_factory):
    """A folder of good frames and of files that are not images."""
    folder = tmp_path_factory.mktemp("mixed")
    for number, path in enumerate(sorted(frame_folder.glob("*.jpg"))[:6]):
        shutil.copy(path, folder / f"{2 * number + 1:02d}-{path.name}")
    for name, data in BAD_FILES.items():
        (folder / name).write_bytes(data)
    return folder


# --- frames -----------------------------------------------------------------------------------


async def submit(deployment, folder, *options):
    return mc_sched(
        "submit", folder, "--edge", deployment.edge_address, "--deadline", f"{GENEROUS}s",
        "--output", "json", *options,
    )  # fmt: skip


async def test_bad_frames_are_refused_one_by_one_and_the_others_are_served(
    deployment, mixed_folder, tmp_path
):
    results = tmp_path / "results.jsonl"
    ran = await submit(deployment, mixed_folder, "--results", results)
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err
    summary = json.loads(ran.out)
    assert summary["outcomes"] == {
        "succeeded": 6,
        "late": 0,
        "refused": len(BAD_FILES),
        "failed": 0,
    }
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    errors = [row["error"] for row in rows if row["error"]]
    assert (len(rows), len(errors)) == (6 + len(BAD_FILES), len(BAD_FILES))
    for error in errors:
        assert error.startswith("image: ")
        assert "\n" not in error


async def test_the_command_line_names_the_files_that_are_bad(deployment, mixed_folder):
    ran = await submit(deployment, mixed_folder)
    for name in BAD_FILES:
        assert name in ran.err


async def next_outcome(call):
    """Return the next outcome of a stream that has one task open."""
    while not (reply := await call.read()).outcomes:
        pass
    return reply.outcomes[0]


async def test_bad_messages_on_the_wire_are_errors_and_the_stream_continues(deployment, frames):
    good = {"image": frames[0], "deadline_ns": int(GENEROUS * 1e9)}
    bad = [
        ("deadline_ns", {**good, "deadline_ns": 0}),
        ("accuracy", {**good, "accuracy": 1.5}),
        ("mode", {**good, "mode": "fast"}),
        ("image", {**good, "image": TEXT}),
    ]
    async with connect(deployment.edge_address) as channel:
        stub = edge_pb2_grpc.EdgeAgentStub(channel)
        call = stub.Stream()
        for number, (field, fields) in enumerate(bad):
            await call.write(edge_pb2.Task(task_id=f"bad{number}", **fields))
            assert (await next_outcome(call)).error.startswith(f"{field}: ")
            await call.write(edge_pb2.Task(task_id=f"good{number}", **good))
            assert (await next_outcome(call)).kind == "succeeded"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Submit(edge_pb2.Task(**fields))
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert caught.value.details().startswith(f"{field}: ")
        call.cancel()


# --- options ----------------------------------------------------------------------------------

USAGE = [
    (("--deadline", "0"), "--deadline"),
    (("--deadline", "0ms"), "--deadline"),
    (("--accuracy", "1.5"), "--accuracy"),
    (("--mode", "fast"), "--mode"),
    (("--policy", "best"), "--policy"),
]


@pytest.mark.parametrize(("options", "named"), USAGE, ids=lambda part: " ".join(part))
async def test_an_option_out_of_range_is_a_usage_error(frame_folder, options, named):
    ran = mc_sched("submit", frame_folder, *options)
    assert ran.code == 2
    assert named in ran.sentence()


async def test_an_empty_folder(tmp_path):
    ran = mc_sched("submit", tmp_path)
    assert ran.code == 1
    assert ran.sentence().startswith(
        f"mc-sched: {tmp_path}: contains no .jpg, .jpeg or .png file; "
    )


async def test_no_agent_at_the_address(frame_folder):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        ran = mc_sched("submit", frame_folder, "--edge", address)
    assert ran.code == 3
    assert f"no edge agent answers at {address}" in ran.sentence()
    assert "start mc-edge-agent at that address" in ran.sentence()


# --- agents that cannot start -----------------------------------------------------------------


async def test_a_misspelt_key(tmp_path):
    config = tmp_path / "edge.yaml"
    config.write_text("bundel: set-a\n")
    wanted = f"{config}: unknown key 'bundel'; did you mean 'bundle'?"
    checked = mc_sched("config", "check", config)
    started = run("edge_agent", "--config", config)
    assert (checked.code, checked.sentence()) == (1, f"mc-sched: {wanted}")
    assert (started.code, started.sentence()) == (1, f"mc-edge-agent: {wanted}")


async def test_a_port_in_use(deployment):
    used = deployment.edge_address
    ran = run("cloud_agent", "--listen", used)
    assert ran.code == 1
    assert f"cannot listen on {used}: the port is in use" in ran.err
    assert ran.sentence().startswith("mc-cloud-agent: ")


async def test_weights_that_do_not_match_their_hash(tmp_path):
    bundle = shutil.copytree(SHIPPED, tmp_path / "bundle")
    damaged = bytearray((bundle / "edge.safetensors").read_bytes())
    damaged[-1] ^= 1
    (bundle / "edge.safetensors").write_bytes(damaged)
    ran = run("edge_agent", "--listen", "127.0.0.1:0", "--bundle", bundle)
    assert ran.code == 1
    assert f"{bundle / 'edge.safetensors'}: its SHA-256 differs" in ran.sentence()
    assert "copy the bundle again" in ran.sentence()


async def test_after_all_that_the_agents_still_serve(deployment):
    assert await deployment.uses_the_cloud()
    assert "Traceback" not in (deployment.directory / "edge.stderr").read_text()
    assert "Traceback" not in (deployment.directory / "cloud.stderr").read_text()
