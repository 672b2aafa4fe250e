"""Time from the end of an overload until an agent serves single tasks in time again."""

from __future__ import annotations

import asyncio

from mc_sched.bench.load.tally import LoadTally
from mc_sched.bench.load.targets.target import Target

INTERVAL_S = 0.05
IN_A_ROW = 10


async def recovery_s(target: Target, deadline_s: float, patience_s: float) -> float | None:
    """Send a task every INTERVAL_S until ten in a row are in time.

    Return the seconds from the call to the moment at which the first of the ten was due; None if
    that takes longer than `patience_s`.
    """
    loop = asyncio.get_running_loop()
    start_s, number, good = loop.time(), 0, 0
    first_s = 0.0
    while loop.time() - start_s < patience_s:
        due_s = start_s + number * INTERVAL_S
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        tally = LoadTally(deadline_s, came=1)
        due_s = max(due_s, loop.time())
        target.send(number, due_s, tally)
        while not tally.ended and loop.time() - due_s < deadline_s + 0.5:
            await asyncio.sleep(0.001)
        first_s = due_s if good == 0 else first_s
        good = good + 1 if tally.in_time else 0
        if good == IN_A_ROW:
            return first_s - start_s
        number += 1
    return None
