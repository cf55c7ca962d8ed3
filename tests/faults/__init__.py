"""Faults under load: each part is killed, frozen, silenced or lied to, and the oracle compares calls with records."""
