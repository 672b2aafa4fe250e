"""The event log: one line per event, action and note."""
