"""Fair division of the places in the cloud among the edges."""
