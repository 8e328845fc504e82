"""Everything that was found of a run, on one page; learning curves."""
