"""Goodput against offered load, for both agents and a first-come-first-served server.

    plan.py          the measurements       generator.py    the process that makes the load
    measure.py       the whole benchmark    targets/        how it sends tasks, by kind of server
    deployment.py    agents, as variants    tally.py        how tasks ended, as the client saw it
    capacity.py      search for the peak    fcfs_server.py  the server to compare with
    recovery.py      time until the agent serves again after a burst
    report.py, figure.py                    tables and the picture

The agents run on one core and the generator, in a process of its own, on another one. Arrivals are
Poisson and open loop. A task's time counts from the moment at which it was due to be sent, so that
a generator that lags makes no server look better.
"""
