"""Link models, and the relay that emulates a link between two ports."""
