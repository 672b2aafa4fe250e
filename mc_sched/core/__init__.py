"""The scheduler as pure code: events in, actions out.

The core opens no socket, reads no clock, draws no random number and writes no log. Time arrives
with every event as `now_ns`, on one monotonic clock per node. Read in this order:

    task.py           a task, its constraints and its outcome
    tables.py         the networks: operations, accuracy, profiled times
    events/           what drivers feed       actions.py    what machines request
    transitions.py    the legal states and moves, as tables
    policy.py         the view that a policy decides on, and the decisions it can make
    policies/         mc, mc-paper, and the others in baselines/
    predictors/       forecasts of single times and rates
    forecasts/        the edge's forecasts of both sites, made of predictors
    edge/machine.py   Algorithm I, with the other files of edge/
    cloud/machine.py  Algorithm II, with the other files of cloud/
"""
