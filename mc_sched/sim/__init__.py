"""The simulator: virtual time, links and devices around the very machines that the daemons run.

It has no scheduling logic of its own. Read in this order:

    scenario/       a YAML file, checked          paper_class.py   a board and a server of the paper
    spec.py         what a world is made of       what_if.py       a world out of a recorded log
    world.py        runs one to its end
    clock.py        virtual time                  chance.py        and steps, noise, truth: drawn
    edge.py         drives an EdgeMachine         cloud.py         drives a CloudMachine
    watcher.py      probes, cloud found and gone  way.py           payloads, messages, outages

Everything that chance decides is a function of the seed and of time or the task's number, never of
what the scheduler did: two policies under one seed meet the same world.
"""
