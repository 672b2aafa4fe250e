"""Loki's read API, as far as Grafana's Explore asks it, answered from the log store.

`logql.py` reads a query, `labels.py` says how lines look as Loki's streams, `answers.py` makes the
documented shapes, `api.py` has the endpoints, `websocket.py` the live tail's frames.
"""
