"""The part of Loki's read API that Grafana's Explore uses, served from the log store.

`logql.py` parses queries, `labels.py` maps the store's lines to Loki streams, `counting.py` counts
lines over time, `answers.py` builds the JSON, `api.py` has the endpoints, and `websocket.py` the
frames of the live tail.
"""
