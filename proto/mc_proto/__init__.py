"""The wire: protocol buffers, generated code, and serde to the core types."""
