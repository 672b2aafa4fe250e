"""The scheduler as pure code: events in, actions out.

Nothing here opens a socket, reads a clock, draws a random number or writes a log. Time arrives
with every event as `now_ns`, on one monotonic clock per node. Read in this order:

    task.py           what a task is, and how it can end
    tables.py         what is known about the networks: operations, accuracy, profiled times
    events.py         what can happen         actions.py    what the machine can ask for
    transitions.py    the lawful states and moves, as tables
    policy.py         the question put to a policy, and the answers it may give
    policies/         mc, mc-paper, ddnn, server, jointdnn, edge-only, neurosurgeon, edgent
    predictors/       local time, link, cloud time
    edge/machine.py   Algorithm I, with the other files of edge/
    cloud/machine.py  Algorithm II, with the other files of cloud/
"""
