"""The cloud agent's front process: sessions, routing to workers, control calls."""
