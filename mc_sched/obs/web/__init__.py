"""The agents' HTTP port: metrics, the console with its API, and Loki's read API.

It runs on threads beside the agent's loop. Beyond loopback it uses TLS and requires a token.
"""
