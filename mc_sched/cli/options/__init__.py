"""Options that several verbs share, and the checks of their values."""
