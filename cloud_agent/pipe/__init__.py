"""The pipe between the cloud agent's front and a worker: frames, and the messages in them."""
