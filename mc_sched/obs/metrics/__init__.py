"""Prometheus metrics, read from the machines' state at each scrape.

`families.py` builds metric families, `collector.py` holds what both agents export, `edge.py` and
`cloud.py` what each adds. Task ids, users and addresses are never labels.
"""
