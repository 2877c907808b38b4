"""The line: from a trigger to a verdict, for as long as the machine runs. Using a model only: nothing here makes one."""
