"""Pure decisions and values: standard library only, no I/O, no clock."""
