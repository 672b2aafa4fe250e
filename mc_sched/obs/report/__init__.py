"""Reports of a run: the summary, figures of the last seconds, and drawings."""
