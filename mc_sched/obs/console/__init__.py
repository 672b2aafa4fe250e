"""The console: one page served by each agent, to look through its log as Grafana's Explore does.

`api.py` answers what the page asks, `dashboard.py` and `task.py` prepare the other two views,
`static/` is the page itself: plain modules, no build step, and uPlot for the charts.
"""
