"""Run `python -m edge_agent` as `mc-edge-agent`."""

import sys

from edge_agent.main import main

sys.exit(main())
