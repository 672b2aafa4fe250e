"""Networks prepared for a host, their measured times, and their answers."""
