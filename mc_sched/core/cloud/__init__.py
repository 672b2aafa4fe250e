"""Algorithm II: exits, admission and schedule of one cloud device, as a state machine."""
