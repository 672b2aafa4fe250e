"""Senders of tasks to each kind of server."""
