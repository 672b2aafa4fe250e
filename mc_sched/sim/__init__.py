"""The simulator: virtual time, links and devices around the same machines that the daemons run.

It has no scheduling logic of its own. Read in this order:

    scenario/         YAML files and their checks     build.py          a world from a scenario
    spec.py           the parts of a world            what_if.py       a world from a recorded log
    world.py          runs a world to its end         paper_networks.py, t4_networks.py
    clock.py          virtual time                    machine_driver.py  events in, actions out
    edge.py           drives an EdgeMachine           cloud.py         drives a CloudMachine
    executor.py       the edge's networks             cloud_client.py  the edge's end of a session
    watcher.py        probes, cloud found and lost    sessions.py      the cloud's end of sessions
    sent_task.py      one task, as both ends know it  radio_link.py    payloads, messages, outages
    random_table.py   random numbers for noise.py, truth.py and entropy.py
    step_function.py  slowdowns and round trips over time
    oracle.py         the best that any scheduler could do

Every random value is a function of the seed and of time or the task's number, never of what the
scheduler did. Two policies under one seed therefore meet the same world.
"""
