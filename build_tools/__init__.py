"""How the compiled core is built: what setup.py asks before it hands over to setuptools.

In: the environment, the torch that is installed, the compilers. Out: a decision, and a message a person can act on.
`settings`, `detect` and `cuda` are pure functions of what `machine` finds; `commands` acts on them; `cuda_check` and
`sanitize` are run by the Makefile. May be imported by: setup.py and its tests.
"""
