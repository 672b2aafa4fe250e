"""The paper's figures, table and case study, and what goes past them. In reading order:

    setting.py     what holds for a whole experiment: profile, privacy, tasks, seeds
    cells.py       one point of it: networks, link, QoR, QoS, and its scenario
    systems.py     the policies that are compared, in their modes
    measure.py     one cell under every system, beside the oracle: a row each
    crew.py        cells side by side on several processes
    figures.py table2.py regret.py case_study.py capacity.py fidelity.py    the experiments
    headline.py    the paper's ratios
    findings.py    what an experiment hands over, and how it is written
    report.py      all of it on one page
    pictures/      how it looks

Every figure is computed when it is asked for; none is kept to be compared with.
"""
