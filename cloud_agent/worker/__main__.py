"""Run a worker: `python -m cloud_agent.worker SOCKET PARENT`, as the front does.

SOCKET is the descriptor of the worker's end of the pipe, PARENT the process id of the front.
"""

import os
import sys

from cloud_agent.worker.parent import die_with_parent, ignore_signals

if __name__ == "__main__":
    ignore_signals()
    die_with_parent(int(sys.argv[2]))
    # torch takes seconds to load, and the parent may die meanwhile
    from cloud_agent.worker.process import run

    code = run(int(sys.argv[1]))
    sys.stderr.flush()
    # libraries of a GPU may hang at exit, and nothing is left to be done
    os._exit(code)
