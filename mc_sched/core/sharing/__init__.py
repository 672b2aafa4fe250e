"""Credits: the pool of places in the cloud, and its fair division among the edges."""
