"""How the compiled core is built: what setup.py asks before it hands over to setuptools.

In: the environment, the torch that is installed, the compiler. Out: a decision, and a message a person can act on.
May be imported by: setup.py and its tests.
"""

from build_tools.detect import BuildSettingError, Decision, compile_flags, decide, not_built_message, read_settings

__all__ = ["BuildSettingError", "Decision", "compile_flags", "decide", "not_built_message", "read_settings"]
