"""A planned run -> its record: the only wiring in the house (`attempt`, `parts.check`, `costs`)."""
