"""The agents' HTTP port: metrics, the console and what it asks, and Loki's read API.

It runs on threads beside the agent's loop. Beyond loopback it speaks TLS and wants a token.
"""
