"""Prometheus metrics, read from the machines' state when somebody scrapes.

`families.py` has the shapes, `edge.py` and `cloud.py` what each agent shows. Task ids, users and
addresses are never labels.
"""
