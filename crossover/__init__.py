"""What everything stands on: records, errors for users, and how a program speaks to the terminal."""
