"""`python -m mc_sched.cli` runs `mc-sched`."""

import sys

from mc_sched.cli.main import main

sys.exit(main())
