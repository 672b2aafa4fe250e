"""The experiments: the paper's figures, table and case study, and further ones. Reading order:

    setting.py      settings of a whole experiment: profile, privacy, tasks, seeds
    cells.py        one cell of an experiment (networks, link, QoR, QoS), and its scenario
    systems.py      the compared systems: policies in their modes
    measure.py      one cell under every system and the oracle, a row each
    sweep.py        many cells, in parallel by worker_pool.py
    rows.py         the sweeps that several experiments share
    paper_figures.py table2.py regret.py case_study.py capacity.py fidelity.py    the experiments
    headline.py     the paper's headline ratios
    findings.py     the results of an experiment and their files
    report.py       all results on one page
    figures/        the drawings

All results are computed when they are needed; none are stored for comparison.
"""
