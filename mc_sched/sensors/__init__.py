"""Sensors of the machine's power and load, behind one small interface."""
