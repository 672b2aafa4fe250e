"""The `mc-sched` command: one module or package per verb.

`options/` has the options and `output/` the printing that verbs share; `streaming/` is shared by
`submit` and `demo`.
"""
