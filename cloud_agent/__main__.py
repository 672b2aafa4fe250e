"""Run `python -m cloud_agent` as `mc-cloud-agent`."""

import sys

from cloud_agent.main import main

sys.exit(main())
