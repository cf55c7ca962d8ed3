"""Benchmarks: pbx112 side by side with bare Asterisk. `python -m bench` runs all, `python -m bench NAME` one."""
