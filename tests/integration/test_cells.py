"""The table of cells on the real PostgreSQL: imports whole or not at all, and calls placed by it."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112 import cli_session
from pbx112.domain.errors import BadInput
from pbx112.domain.location import read_locations
from pbx112.domain.place import KnownCell
from pbx112.services.cells import import_file, read_csv
from pbx112.storage.audit import list_audit
from pbx112.storage.cells import CellsImported, count_cells, find_cells, locate
from pbx112.storage.engine import reading, transaction
from tests.integration.conftest import Database
from tests.integration.test_cli_commands import runner, settings_of

HEADER = "mcc,mnc,tac,cell_id,lat,lon,range_m,name\n"
MONAS = "510,10,7978,11259361,-6.1754,106.8272,500,Monas\n"
KEY = ("510", "10", 7978, 11259361)


async def imported(engine: AsyncEngine, text: str, *, replace: bool = False) -> CellsImported:
    async with transaction(engine) as conn:
        return await import_file(conn, io.StringIO(text, newline=""), subject="cells.csv", replace=replace, who="test")


async def counted(engine: AsyncEngine) -> dict[str, int]:
    async with reading(engine) as conn:
        return await count_cells(conn)


async def found(engine: AsyncEngine, *keys: tuple[str, str, int, int]) -> dict[Any, KnownCell]:
    async with reading(engine) as conn:
        return await find_cells(conn, keys)


async def test_given_a_file_when_it_is_imported_twice_then_nothing_changes_and_both_are_audited(
    engine: AsyncEngine,
) -> None:
    text = HEADER + MONAS + "510,01,0x1F2A,0xabcd,-6.2,106.8,,\n"
    assert await imported(engine, text) == CellsImported(2, 0, 0, 0, 0)
    assert await imported(engine, text) == CellsImported(0, 0, 2, 0, 0)
    assert await counted(engine) == {"510-01": 1, "510-10": 1}
    assert await found(engine, KEY, ("510", "01", 7978, 43981), ("510", "99", 1, 1)) == {
        KEY: KnownCell(-6.1754, 106.8272, 500.0, "Monas"),
        ("510", "01", 7978, 43981): KnownCell(-6.2, 106.8, None, None),
    }
    async with reading(engine) as conn:
        acts = await list_audit(conn)
    assert [(act["action"], act["subject"], act["after"]["added"]) for act in acts] == [
        ("cells.import", "cells.csv", 0),
        ("cells.import", "cells.csv", 2),
    ]


async def test_given_other_values_when_they_are_imported_then_they_are_counted_as_changed(engine: AsyncEngine) -> None:
    await imported(engine, HEADER + MONAS + "510,10,1,1,-6,106,,\n510,10,1,2,-6,106,,\n")
    changed = HEADER + MONAS.replace("Monas", "Monas 2") + "510,10,1,3,-6,106,0,\n"
    assert await imported(engine, changed) == CellsImported(1, 1, 0, 0, 0)
    assert await imported(engine, changed, replace=True) == CellsImported(0, 0, 2, 2, 0)
    assert await counted(engine) == {"510-10": 2}


async def test_given_two_lines_for_a_cell_when_they_are_imported_then_the_last_one_counts(engine: AsyncEngine) -> None:
    done = await imported(engine, HEADER + MONAS + MONAS.replace("500", "50") + MONAS.replace("Monas", "Last"))
    assert done == CellsImported(1, 0, 0, 0, 2)
    assert (await found(engine, KEY))[KEY] == KnownCell(-6.1754, 106.8272, 500.0, "Last")


async def test_given_a_bad_line_when_a_file_is_imported_then_nothing_changes(engine: AsyncEngine) -> None:
    await imported(engine, HEADER + MONAS)
    with pytest.raises(BadInput, match=r"line 3: lat: 'x' is not a number from -90 to 90"):
        await imported(engine, HEADER + "510,10,1,2,-6,106,,\n510,10,1,3,x,106,,\n", replace=True)
    assert await counted(engine) == {"510-10": 1}
    async with reading(engine) as conn:
        assert len(await list_audit(conn)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "MCC;MNC;LAC;CID;Latitude;Longitude;Radius;Name\n510;1;7978;43981;-6.2;106.8;500;Monas\n",
        "\ufefflon,lat,cell,area,net,mcc,name,range\r\n106.8,-6.2,43981,7978,1,510,Monas,500\r\n\r\n",
        "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal\n"
        "CDMA,510,9001,1,1,0,106.8,-6.2,500,1,1,1,1,0\nGSM,510,1,7978,43981,0,106.8,-6.2,500,1,1,1,1,0\n",
        "GSM,510,1,7978,43981,0,106.8,-6.2,500,1,1,1459692342,1488347104,0\n",
        'mcc,mnc,tac,cell_id,lat,lon,range_m,name\n"510","01",0x1f2a," 0xABCD ",-6.2,106.8,5e2,"Monas"\n',
    ],
)
def test_given_a_file_in_another_form_when_it_is_read_then_its_cell_is_the_same(text: str) -> None:
    (row,) = read_csv(io.StringIO(text, newline=""))
    assert (row.mcc, row.mnc, row.tac, row.cell_id) == ("510", "01", 7978, 43981)
    assert (row.lat, row.lon, row.radius_m) == (-6.2, 106.8, 500)
    assert row.name == ("Monas" if "Monas" in text else None)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("51,10,1,2,-6,106,,", "mcc: '51' is not a country code of three digits"),
        ("510,010,1,2,-6,106,,", "mnc: '010' is not a network code of two digits"),
        ("510,,1,2,-6,106,,", None),
        ("310,4100,1,2,-6,106,,", "mnc: '4100' is not a network code of two or three digits"),
        ("510,10,16777216,2,-6,106,,", "tac: '16777216' is not a number from 0 to 16777215"),
        ("510,10,1F2A,2,-6,106,,", "tac: '1F2A' is not a number"),
        ("510,10,1,-2,-6,106,,", "cell_id: '-2' is not a number"),
        ("510,10,1,1_0,-6,106,,", "cell_id: '1_0' is not a number"),
        ("510,10,1,,-6,106,,", "cell_id: '' is not a number"),
        ("510,10,1,2,106.8,-6.2,,", "lat: '106.8' is not a number from -90 to 90"),
        ("510,10,1,2,-6,nan,,", "lon: 'nan' is not a number"),
        ("510,10,1,2,0,0,,", "lat, lon: both are 0"),
        ("510,10,1,2,-6,106,-5,", "range_m: '-5' is not a number from 0 to 200000"),
        ("510,10,1,2,-6,106,,a\x1bb", "name: it must be printable"),
        (f"510,10,1,2,-6,106,,{'n' * 201}", "name: it must be printable and have at most 200"),
        ("510,10,1,2", "lat: the line ends before this column"),
    ],
)
def test_given_a_bad_value_when_a_file_is_read_then_the_fault_names_line_and_column(
    line: str, fault: str | None
) -> None:
    if fault is None:
        assert next(read_csv(io.StringIO(f"{HEADER}{line}\n"))).mnc == "00"
        return
    with pytest.raises(BadInput) as refused:
        list(read_csv(io.StringIO(f"{HEADER}{MONAS}{line}\n")))
    assert f"line 3: {fault}" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("mcc,mnc,lat,lon\n", "these are missing: tac, cell_id"),
        ("510,10,1,2,-6,106\n", "The first line must name the columns"),
        ("mcc,mnc,net,tac,cell,lat,lon\n", "names the column mnc twice"),
        (HEADER + '510,10,1,2,-6,106,,"open\n', "not CSV"),
        (HEADER + "x\n" * 50, "(and perhaps more): line 2: "),
    ],
)
def test_given_a_file_that_is_none_of_these_when_it_is_read_then_it_says_what_is_wrong(text: str, fault: str) -> None:
    with pytest.raises(BadInput) as refused:
        list(read_csv(io.StringIO(text, newline="")))
    assert fault in str(refused.value)
    assert str(refused.value).count("; ") <= 20


@pytest.mark.alone
async def test_given_a_file_of_a_whole_country_when_it_is_imported_then_it_is_quick_and_memory_stays_flat(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    file = tmp_path / "cells.csv"
    with file.open("w") as out:
        out.write(HEADER)
        out.writelines(f"510,10,{n // 200},{n},-6.{n % 1000},106.{n % 997},500,Site {n}\n" for n in range(200_000))
    started, before = time.monotonic(), psutil.Process().memory_info().rss
    with file.open(newline="") as stream:
        async with transaction(engine) as conn:
            done = await import_file(conn, stream, subject=file.name, replace=True, who="test")
    assert done == CellsImported(200_000, 0, 0, 0, 0)
    assert time.monotonic() - started < 20
    # All rows at once would take far more.
    assert psutil.Process().memory_info().rss - before < 30_000_000


async def test_given_a_page_of_records_when_they_are_located_then_it_is_one_query(engine: AsyncEngine) -> None:
    await imported(engine, HEADER + MONAS)
    header = "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=510101F2A0ABCDE1"
    asked: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    records = [{"location": public(header)} for _ in range(200)] + [{"location": []}]
    async with reading(engine) as conn:
        asked.clear()
        await locate(conn, [{"location": []}, {"location": public("IEEE-802.11")}])
        assert asked == []
        await locate(conn, records)
        assert len(asked) == 1
    assert records[200] == {"location": []}
    assert [(one["lat"], one["name"]) for record in records for one in record["location"]] == [(-6.1754, "Monas")] * 200


def public(header: str) -> list[dict[str, Any]]:
    locations = read_locations({"p-access-network-info": header}, trusted=True)
    return [{name: getattr(one, name) for name in one.__slots__} for one in locations]


async def test_given_the_command_line_when_cells_are_imported_and_shown_then_it_says_so(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_session, "Settings", lambda: settings_of(database, tmp_path))
    pbx112 = runner(monkeypatch, capsys)
    file = tmp_path / "cells.csv"
    file.write_text(HEADER + MONAS + MONAS)
    code, out, err = await pbx112("cells", "import", str(file))
    assert (code, err) == (0, "")
    assert out == (
        "1 cells added, 0 changed, 0 unchanged, 0 removed.\n"
        "Lines that name a cell again: 1. Of each cell the last line counts.\n"
    )
    code, out, _ = await pbx112("cells", "import", str(file), "--replace", "--json")
    assert json.loads(out) == {"added": 0, "changed": 0, "unchanged": 1, "removed": 0, "repeated": 1}
    code, out, _ = await pbx112("cells", "show", "510", "10", "0x1F2A", "11259361", "--json")
    assert json.loads(out) == {
        **{"mcc": "510", "mnc": "10", "tac": 7978, "cell_id": 11259361, "network": "Telkomsel"},
        **{"lat": -6.1754, "lon": 106.8272, "radius_m": 500.0, "name": "Monas"},
    }
    code, out, _ = await pbx112("cells", "show", "510", "10", "7978", "11259361")
    assert "Monas" in out
    code, out, _ = await pbx112("cells", "count")
    assert "510-10 Telkomsel" in out
    assert json.loads((await pbx112("cells", "count", "--json"))[1]) == {"cells": 1, "networks": {"510-10": 1}}


async def test_given_the_command_line_when_something_is_wrong_then_it_is_one_sentence(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_session, "Settings", lambda: settings_of(database, tmp_path))
    pbx112 = runner(monkeypatch, capsys)
    bad, binary = tmp_path / "bad.csv", tmp_path / "binary.csv"
    bad.write_text(HEADER + "510,10,1,2,x,106,,\n")
    binary.write_bytes(HEADER.encode() + b"510,10,1,2,-6,106,,\xff\xfe\n")
    for words, told in [
        (("import", str(bad)), "line 2: lat: 'x' is not a number"),
        (("import", str(binary)), "The file is not UTF-8 text"),
        (("import", str(tmp_path / "none.csv")), "No such file"),
        (("show", "510", "10", "1", "2"), "The table has no cell 510-10 1 2"),
        (("show", "510", "10", "x", "2"), "'x' is not a number"),
    ]:
        code, out, err = await pbx112("cells", *words)
        assert (code, out) == (1, "")
        assert told in err
        assert err.count("\n") == 1
