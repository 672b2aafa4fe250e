"""`python -m cloud_agent` is `mc-cloud-agent`."""

import sys

from cloud_agent.main import main

sys.exit(main())
