"""The loops whose speed everybody else reports, on plain modules: the baseline that engines are measured against."""
