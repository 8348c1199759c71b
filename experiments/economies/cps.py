"""The public CPS file of Tax-Calculator, by name: wages of US tax units, aged to a year.

Of the package `taxcalc` (PSLmodels/Tax-Calculator, CC0) only data files are read, none of its code
runs: `cps.csv.gz`, tax units of the Current Population Survey at 2014 levels; `cps_weights.csv.gz`,
hundredths of the units that each stands for, by year; `growfactors.csv`, whose AWAGE multiplies
wages from one year to the next, as `Microdata` of that package does.
"""

import importlib.metadata
import importlib.util
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

DATA_YEAR = 2014
"""Whose levels the file states."""
_STATUS = {1: "single", 2: "joint", 3: "separate", 4: "head_of_household", 5: "joint"}


def cps_people(year: int) -> pa.Table:
    """Return the tax units at the levels of a year: income (wages), weight, status, children, age.

    `children` are those who count for the earned income tax credit, 3 for 3 or more.

    Raises:
        ValueError: the package is not installed, or does not know the year.
    """
    return _people(_folder(), year)


def cps_words(year: int) -> str:
    """Return what the units are, in words."""
    version = importlib.metadata.version("taxcalc")
    return (
        f"Incomes are wages of US tax units in the CPS file of taxcalc {version}, {DATA_YEAR} "
        f"levels, aged to {year} by its wage growth and its weights of that year."
    )


def _folder() -> Path:
    found = importlib.util.find_spec("taxcalc")
    places = (found.submodule_search_locations if found else None) or []
    if not places:
        raise ValueError(
            "The incomes cps are a file of the package taxcalc, which is not installed: pip "
            "install 'econjax[cps]', or give a CSV or Parquet of your own."
        )
    return Path(next(iter(places)))


def cps_file(year: int) -> Path:
    """Return a Parquet of `cps_people`, made once for a version of the package and then kept.

    Raises:
        ValueError: as `cps_people`.
    """
    folder = _folder()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "econjax" / "data"
    path = home / f"cps-units-{importlib.metadata.version('taxcalc')}-{year}.parquet"
    if not path.is_file():
        home.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{os.getpid()}-{path.name}")
        pq.write_table(_people(folder, year), partial)
        os.replace(partial, path)
    return path


def _people(folder: Path, year: int) -> pa.Table:
    weights = _columns(folder / "cps_weights.csv.gz", [f"WT{year}"], year)
    units = _columns(folder / "cps.csv.gz", ["e00200", "MARS", "age_head", "EIC"], year)
    growth = _columns(folder / "growfactors.csv", ["YEAR", "AWAGE"], year)
    years, factors = (growth[name].to_numpy() for name in ("YEAR", "AWAGE"))
    aged = np.prod(factors[(years > DATA_YEAR) & (years <= year)])
    status = [_STATUS[mars] for mars in units["MARS"].to_pylist()]
    return pa.table(
        {
            "income": units["e00200"].to_numpy() * aged,
            "weight": weights[f"WT{year}"].to_numpy() / 100,
            "status": pa.array(status).dictionary_encode(),
            "children": units["EIC"].to_numpy(),
            "age": units["age_head"].to_numpy(),
        }
    )


def _columns(file: Path, names: list[str], year: int) -> pa.Table:
    """Return some columns of a file of the package."""
    try:
        return pa_csv.read_csv(file, convert_options=pa_csv.ConvertOptions(include_columns=names))
    except (KeyError, pa.ArrowException) as error:
        raise ValueError(
            f"The package taxcalc holds no {names[0]} in {file.name}: its CPS file knows "
            f"{DATA_YEAR} and years after it, not {year}: choose another --year."
        ) from error
    except OSError as error:
        raise ValueError(
            f"The package taxcalc holds no {file.name}: install one that does, from 6.0 on."
        ) from error
