"""The mobile networks of Indonesia by their codes: the one place to edit when operators merge."""

INDONESIA = "510"
"""Indonesia's mobile country code (ITU-T E.212)."""

INDONESIAN_NETWORKS = {
    "00": "PSN",
    "01": "Indosat",
    "07": "TelkomFlexi",  # closed
    "08": "Axis",
    "09": "Smartfren",
    "10": "Telkomsel",
    "11": "XL",
    "21": "Indosat",
    "27": "STI",
    "28": "Smartfren",
    "89": "Hutchison 3",
    "99": "Esia",  # closed
}
"""Operators by their MNC under MCC 510. They are merging: a code keeps its network's name of old."""


def network_name(mcc: str | None, mnc: str | None) -> str | None:
    """The Indonesian operator behind a network code, or None for an unknown one or one of another country."""
    return INDONESIAN_NETWORKS.get(mnc) if mcc == INDONESIA and mnc is not None else None
