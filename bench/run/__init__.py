"""A planned run -> its record: the only wiring in the house (`attempt`, `checking.check`, `costs`)."""
