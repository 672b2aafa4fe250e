"""The wire: protocol buffers, generated code, and serde to the core types."""

import os

# Allow TLS 1.3 only: gRPC reads this list of TLS 1.2 ciphers when it is first imported, and none of
# them works with the elliptic-curve keys that `mc_proto.tls` requires. TLS 1.3 has its own list.
os.environ.setdefault("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384")
