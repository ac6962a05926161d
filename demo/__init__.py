"""`make demo`: everything that production runs, on this machine, with only endpoint URLs changed."""
