"""mc-sched: an on-line deadline scheduler for deep learning between edge and cloud."""

__version__ = "0.1.0"
