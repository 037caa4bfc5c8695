"""Networks of other libraries: a name after a prefix -> SegModel.  A library is imported when one is built."""
