"""The core's tables, from a bundle and a profile."""
