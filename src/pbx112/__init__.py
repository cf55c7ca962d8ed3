"""pbx112: the telephony service of Indonesia's 112 emergency number."""

__version__ = "0.1.0"
