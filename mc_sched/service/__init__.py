"""The daemons' common parts: process, configuration, reload, gRPC port, journal, heartbeat."""
