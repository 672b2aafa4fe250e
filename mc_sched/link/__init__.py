"""Link models, and a relay that emulates a link between two ports."""
