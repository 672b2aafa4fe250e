"""What a node has and lacks: one small check after the other, each with its remedy."""
