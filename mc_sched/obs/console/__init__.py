"""The console: a page, served by each agent, for exploring its log as in Grafana's Explore.

`api.py` answers the page's queries, `page_query.py` parses their parameters, `dashboard.py`
prepares the dashboard's data, and `pages.py` serves the files in `static/`: plain modules without a
build step, and uPlot for the charts.
"""
