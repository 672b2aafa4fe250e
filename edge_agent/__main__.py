"""`python -m edge_agent` is `mc-edge-agent`."""

import sys

from edge_agent.main import main

sys.exit(main())
