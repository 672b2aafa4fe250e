"""Prometheus metrics, read from the machines' state when somebody scrapes.

`families.py` has the shapes, `collector.py` what all agents show, `edge.py` and `cloud.py` what
each does. Task ids, users and addresses are never labels.
"""
