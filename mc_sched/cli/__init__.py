"""The `mc-sched` command, one file per verb."""
