"""What may be downloaded, whole and checked; for the rest, the steps to take.  The only room that opens connections."""
