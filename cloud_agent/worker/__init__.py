"""A worker of the cloud agent: the process that owns one device and runs stages on it."""
