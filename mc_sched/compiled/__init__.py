"""The scheduler's core and the simulator, compiled to extension modules by mypyc.

`scripts/compile` makes a build. Only processes that do nothing but simulate use it: the workers of
`mc-sched bench simulator` and of `mc-sched experiment`. Everything else, the daemons included, runs
the sources, and so do the workers if there is no build.

    sources.py   the compiled files, and their digest
    expand.py    prepares a file: `@value` classes are written out, as mypyc ignores decorators
    build.py     makes a build
    finder.py    lets Python import the build
    workers.py   processes that use it

A build is in `build/compiled/`, never beside the sources. It is used only if its digest is that of
the current sources; after an edit, the sources run until the next `scripts/compile`.
"""
