"""The wire: protocol buffers, generated code, and serde to the core types."""

import os

# TLS 1.3 and nothing older: gRPC reads this list of TLS 1.2 ciphers when it is first imported, and
# none of it works with the elliptic keys that `mc_proto.tls` insists on. TLS 1.3 has its own list.
os.environ.setdefault("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384")
