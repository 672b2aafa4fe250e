"""The figures of the experiments; also for colour-blind readers and in greyscale."""
