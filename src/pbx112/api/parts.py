"""What the web door needs of the rest of the service; the roof fills it in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import HTTPConnection

from pbx112.domain.configuration import Configuration
from pbx112.domain.demo import is_demo
from pbx112.services.alarms import Alarm
from pbx112.services.configuring import ConfigurationDesk
from pbx112.services.credentials import CredentialBook
from pbx112.services.feed import Feed
from pbx112.services.health import PartHealth
from pbx112.services.metrics import Metrics
from pbx112.services.ports import CallPlacer, JournalLagView, LiveSource, Switchboard, Telephone
from pbx112.services.prompts import PromptDesk


@dataclass(frozen=True, slots=True)
class ApiParts:
    """The parts behind the web door, and the few settings it shows.

    `configuration` gives the applied configuration from memory, `journal` and `agi` how those doors stand now;
    `token_secret` signs bearer tokens (32 bytes or more); `ami_reconnects` counts how often the AMI link was rebuilt;
    `nuisance_changed` is told of edited dispositions and rules. `more_health` are further parts of /health/ready,
    `desk` is where the configuration is edited and applied; `phone` gives a SIP account's password (by account and who
    asks); `prompts` where a centre's own sounds are. `gaps` the journal's gaps of the last day by their public names;
    `alarms` are those that are up.
    """

    engine: AsyncEngine
    credentials: CredentialBook
    telephone: Telephone
    switchboard: Switchboard
    live: LiveSource
    placer: CallPlacer
    journal: Callable[[], JournalLagView]
    agi: Callable[[], PartHealth]
    configuration: Callable[[], Configuration]
    feed: Feed
    metrics: Metrics
    token_secret: str
    node: str
    timezone: str
    lang: Literal["id", "en"]
    version: str
    started_at: datetime
    desk: ConfigurationDesk
    phone: Callable[[str, str], Awaitable[dict[str, str]]]
    prompts: PromptDesk
    nuisance_changed: Callable[[], None] = lambda: None
    ami_reconnects: Callable[[], int] = lambda: 0
    alarms: Callable[[], Sequence[Alarm]] = lambda: ()
    more_health: Callable[[], Sequence[PartHealth]] = lambda: ()
    gaps: Callable[[], list[dict[str, Any]]] = list

    @property
    def demo(self) -> bool:
        """True while the demo centre's carriers stand, by what is applied now."""
        return is_demo(self.configuration())


def parts_of(connection: HTTPConnection) -> ApiParts:
    """The parts of the app that a request came to."""
    return cast(ApiParts, connection.app.state.parts)


Parts = Annotated[ApiParts, Depends(parts_of)]
