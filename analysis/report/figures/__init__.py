"""The figures of the report, drawn from points and parities; each module draws one."""
