"""The same code, compiled: the scheduler's core and the simulator as extension modules.

`scripts/compile` has mypyc make them. Processes that do nothing but simulate use them (the workers
of `mc-sched bench simulator` and of `mc-sched experiment`); all else, the daemons too, runs the
sources, and without a build or a C compiler everything does. The sources are the only truth:

    sources.py   what is compiled, and the digest of it that a build is filed under
    expand.py    before compiling: `@value` classes are written out, as mypyc sees no decorators
    build.py     makes a build
    finder.py    has Python import it       workers.py   processes that do

A build lies in `build/compiled/`, never beside the sources. It is used only while its digest is
that of the sources as they are now: after any edit they are what runs, until the next
`scripts/compile`.
"""
