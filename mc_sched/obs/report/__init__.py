"""Summary and figures of a run."""
