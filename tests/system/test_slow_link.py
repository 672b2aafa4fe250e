"""A link that becomes slow: the device notices, gives up late tasks, and runs them locally."""

import pytest

from tests.system.deployment import kinds, sites, until

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

ENDS = {"CloudReplied", "CloudRefused", "CloudStopped", "CloudLost"}


def names_by_task(records):
    """Return the names of each task's events and actions, in the order of the log."""
    by_task = {}
    for record in records:
        by_task.setdefault(record["task_id"], []).append(record["name"])
    return by_task


async def log_of_ended(deployment, stream_id):
    """Return a stream's records once each offload has ended: a give-up is confirmed later."""

    async def ended():
        records = await deployment.edge_log_of(stream_id)
        stories = names_by_task(records).values()
        waiting = any("SendToCloud" in names and not ENDS & {*names} for names in stories)
        return None if waiting else records

    return await until(ended)


def check_that_no_offload_is_forgotten(records):
    """Every offload ends, and one still open at its task's outcome was given up."""
    for names in names_by_task(records).values():
        assert names.count("Finish") == 1
        if "SendToCloud" in names:
            assert names.count("SendToCloud") == len(ENDS & set(names)) == 1
            (end,) = ENDS & set(names)
            assert "SendGiveUp" in names or names.index(end) < names.index("Finish")


async def test_a_link_that_turns_slow_is_given_up_and_the_local_net_answers(deployment):
    """Half a second less the margin suffices for an image over Wi-Fi, but not over 3G."""
    await deployment.uses_the_cloud()
    await deployment.stream("calm", count=60).outcomes()  # earlier tests made the forecasts wide
    stream = deployment.stream("slow", count=40, deadline_s=0.5)

    async def cloud_has_answered():
        return sites(answer.outcome for answer in stream.answers)["cloud"] > 2

    await until(cloud_has_answered, 3)
    await deployment.set_link("3g")
    outcomes = await stream.outcomes()
    taken_back = [o for o in outcomes if o.gave_up and o.site and o.site.value == "edge"]
    assert taken_back
    assert "succeeded" in kinds(taken_back)
    assert kinds(outcomes)["succeeded"] >= 35
    records = await log_of_ended(deployment, "slow")
    check_that_no_offload_is_forgotten(records)
    by_task = names_by_task(records)
    for outcome in taken_back:
        names = by_task[outcome.task_id]
        # an upload that may still arrive continues beside the local run, which gives it up
        begun = max(names.index("SendGiveUp"), names.index("StartLocal"))
        assert begun < names.index("Finish")


async def test_over_3g_tasks_run_on_the_device(deployment):
    await deployment.set_link("3g")
    await until(lambda: _round_trip_is_long(deployment))
    outcomes = await deployment.stream("far", count=20, deadline_s=0.1).outcomes()
    assert sites(outcomes)["cloud"] == 0
    assert sites(outcomes)["edge"] > 0
    check_that_no_offload_is_forgotten(await log_of_ended(deployment, "far"))


async def test_a_task_that_is_sent_over_3g_anyway_is_given_up_at_its_deadline(deployment):
    """The policy `server` ignores forecasts; 84 ms is less than the round trip of the link."""
    await deployment.set_link("3g")
    stream = deployment.stream("stubborn", count=10, deadline_s=0.084, policy="server")
    outcomes = await stream.outcomes()
    assert kinds(outcomes) == {"late": 10}
    records = await log_of_ended(deployment, "stubborn")
    check_that_no_offload_is_forgotten(records)
    for names in names_by_task(records).values():
        # the forecast of the round trip may leave no time at all: then nothing is sent
        assert "SendToCloud" not in names or {"SendGiveUp", "CloudStopped"} & {*names}
    assert any("SendToCloud" in names for names in names_by_task(records).values())


async def _round_trip_is_long(deployment):
    return (await deployment.status()).rtt_ns > 100e6
