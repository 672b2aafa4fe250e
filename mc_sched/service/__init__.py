"""Parts that every daemon needs: configuration, reload, service manager, journal, heartbeat."""
