"""The demo centre: what a first start on an empty database sets up (names that others rely on)."""

from pbx112.domain.configuration import Agency, Configuration, Membership, Operator, Queue, Trunk

DRILL_SOURCE = "127.0.0.112"
"""Drill calls come from this loopback address: no carrier can send from it."""

DRILL_ACCOUNT = "drill-operator"
"""The scripted operator's SIP account: rung for drill calls, and for nothing else."""

DRILL_TRUNK = Trunk("drill", "Latihan / drill", (DRILL_SOURCE,), trusted=True, drill=True)

_OPERATORS = tuple(
    Operator(f"op{n}", f"Operator {n}", str(1000 + n), memberships=(Membership("112"),)) for n in range(1, 5)
)

DEMO_CENTRE = Configuration(
    version=1,
    trunks=(
        Trunk(
            "carrier-a",
            "Carrier A (demo)",
            ("127.0.0.2",),
            trusted=True,
            pseudo_patterns=(r"^\+?62112\d{7}$",),
            outbound="127.0.0.2:5060",
        ),
        Trunk("carrier-b", "Carrier B (demo)", ("127.0.0.3",)),
        DRILL_TRUNK,
    ),
    queues=(Queue("112", "Darurat 112", overflow=tuple(operator.name for operator in _OPERATORS), recording=True),),
    operators=_OPERATORS,
    agencies=(
        Agency("ambulans", "Ambulans / PSC 119", ("ambulans1", "ambulans2"), code="1"),
        Agency("damkar", "Pemadam Kebakaran", ("damkar1",), code="2"),
        Agency("polisi", "Polisi", ("polisi1",), code="3"),
    ),
    default_queue="112",
)


def is_demo(configuration: Configuration) -> bool:
    """True while the demo centre's carriers stand: loopback addresses, from which no real call can come."""
    demo = {trunk.name: trunk.sources for trunk in DEMO_CENTRE.trunks if not trunk.drill}
    return any(demo.get(trunk.name) == trunk.sources for trunk in configuration.trunks)
