"""Algorithm I: the scheduler on the edge device, as a state machine."""
