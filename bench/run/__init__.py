"""A planned run -> its record: the only wiring in the house.  Import from `bench.run.attempt`, `.check` and `.costs`."""
