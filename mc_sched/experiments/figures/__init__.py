"""How the experiments look: matplotlib, for paper, for colour-blind readers and in greyscale."""
