"""One centre for all faults; after each test the service gives back what it took."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.conftest import FULL, used
from tests.faults.load import phones
from tests.faults.rig import Rig, running_rig
from tests.support.centre import until


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def standing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """The rig with four operators' phones, started once."""
    async with running_rig(tmp_path_factory.mktemp("faults")) as rig, phones(rig.centre):
        yield rig


@pytest_asyncio.fixture(loop_scope="session")
async def rig(standing: Rig) -> AsyncIterator[Rig]:
    """The rig, healed before and after the test: no call up, nothing held that a service at rest does not hold."""
    await standing.ready()
    before = await used(standing.centre, standing.service)
    yield standing
    await standing.ready()
    held: dict[str, int] = {}

    async def given_back() -> bool | None:
        held.update(await used(standing.centre, standing.service), channels=await standing.centre.channels())
        most = {name: max(before[name], full) for name, full in FULL.items()} | {"channels": 0}
        return True if all(held[name] <= most[name] for name in most) else None

    try:
        await until(given_back, 20, "all given back")
    except AssertionError:
        raise AssertionError(f"the service does not give back what it took: before {before}, now {held}") from None
