"""The figures of the report, drawn from points and parities; each module draws one."""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it would tell where it keeps its settings when HOME is bad
