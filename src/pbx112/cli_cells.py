"""Commands about the table of cells."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pbx112.cli_session import database, run, settings, who
from pbx112.cli_show import show_json, show_line, show_table
from pbx112.domain.errors import NotFound
from pbx112.domain.networks import network_name
from pbx112.domain.place import CellKey, KnownCell
from pbx112.services.cells import import_file, read_id, read_network
from pbx112.settings import Settings
from pbx112.storage.cells import CellsImported, count_cells, find_cells
from pbx112.storage.engine import reading, transaction

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]

cells_app = typer.Typer(help="The table of cells: where the networks' cells stand.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.add_typer(cells_app, name="cells")


@cells_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with mcc,mnc,tac,cell_id,lat,lon,range_m,name, or OpenCellID's.")],
    replace: Annotated[bool, typer.Option("--replace", help="Remove every cell that the file does not name.")] = False,
    as_json: Json = False,
) -> None:
    """Import cells from a CSV file: all of it, or nothing if a line is wrong."""
    of = settings()
    done = run(_import(of, file, replace))
    if as_json:
        show_json(asdict(done))
        return
    show_line(f"{done.added} cells added, {done.changed} changed, {done.unchanged} unchanged, {done.removed} removed.")
    if done.repeated:
        show_line(f"Lines that name a cell again: {done.repeated}. Of each cell the last line counts.")


@cells_app.command()
def show(
    mcc: Annotated[str, typer.Argument(help="Country code, such as 510.")],
    mnc: Annotated[str, typer.Argument(help="Network code, such as 10.")],
    tac: Annotated[str, typer.Argument(help="Tracking or location area, decimal or 0x..")],
    cell: Annotated[str, typer.Argument(help="Cell id, decimal or 0x..")],
    as_json: Json = False,
) -> None:
    """Show where a cell stands."""
    of = settings()
    key: CellKey = (*read_network(mcc, mnc), read_id(tac, 0xFFFFFF), read_id(cell, 0xFFFFFFFFF))
    found = run(_find(of, key))
    facts = dict(zip(("mcc", "mnc", "tac", "cell_id"), key, strict=True)) | {"network": network_name(key[0], key[1])}
    told = {**facts, **asdict(found)}
    if as_json:
        show_json(told)
        return
    show_table(of.lang, ("field", "value"), list(told.items()))


@cells_app.command()
def count(as_json: Json = False) -> None:
    """Count the cells of each network."""
    of = settings()
    found = run(_count(of))
    if as_json:
        show_json({"cells": sum(found.values()), "networks": found})
        return
    rows = [(f"{code} {network_name(*code.split('-')) or ''}".strip(), number) for code, number in found.items()]
    show_table(of.lang, ("field", "value"), rows)


async def _import(of: Settings, file: Path, replace: bool) -> CellsImported:
    # Opened outside of the transaction: a fault of the file must not be told as one of the database.
    with file.open(encoding="utf-8", newline="") as stream:
        async with database(of) as engine, transaction(engine) as connection:
            return await import_file(connection, stream, subject=file.name, replace=replace, who=who())


async def _find(of: Settings, key: CellKey) -> KnownCell:
    async with database(of) as engine, reading(engine) as connection:
        found = (await find_cells(connection, [key])).get(key)
    if found is None:
        raise NotFound(f"The table has no cell {key[0]}-{key[1]} {key[2]} {key[3]}; `pbx112 cells import` adds cells.")
    return found


async def _count(of: Settings) -> dict[str, int]:
    async with database(of) as engine, reading(engine) as connection:
        return await count_cells(connection)
