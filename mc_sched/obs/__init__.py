"""Event log and summaries: what is written about a run."""
