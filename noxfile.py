"""All of it: `nox -s NAME`.

NAME is one of lint types unit tests hostile supply integrations dbt orchestrators notebooks docs browser pictures package
guard faults model walk mutants labels demo bare compatibility bench.
"""

import os
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
PYPROJECT = nox.project.load_toml("pyproject.toml")
PROGRAMS = (
    "python",
    "-c",
    "from bulketl.cli.demo.programs import main; main()",
)  # installs those that the servers need and lack

INTEGRATIONS = (
    "tests/servers/operations/test_metrics.py",
    "tests/servers/operations/test_traces.py",
    "tests/servers/postgres/test_pgbouncer.py",
)
DBT = "tests/servers/operations/test_dbt.py"


def group(name: str) -> list[str]:
    """Return the packages of a dependency group."""
    return list(PYPROJECT["dependency-groups"][name])


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and the floors: imports go down only."""
    session.install("-q", "-e", ".", *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package, its tests and benchmarks."""
    session.install("-q", "-e", ".[demo]", *group("types"), *group("bench"))
    session.run("mypy")


@nox.session
def unit(session: nox.Session) -> None:
    """Run the tests that need no server."""
    session.install("-q", "-e", ".", *group("test"))
    session.run("pytest", "tests", "--ignore=tests/servers", "--ignore=tests/promises", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test; they start their servers themselves, and what those need is installed first.

    Two processes for each core, because tests wait for servers half of their time. What is named behind `--` is run alone
    and in one process. With BULKETL_TEST_BESIDE=1, as in CI, those of `integrations`, `notebooks` and `dbt` are among them.
    """
    beside = bool(os.environ.get("BULKETL_TEST_BESIDE"))
    session.install("-q", "-e", ".[demo]", *group("test"), *(group("notebooks") if beside else ()))
    session.run(*PROGRAMS)
    env = with_programs(session) | with_dbt(session) if beside else {}
    every = ("-n", str(min(2 * (os.cpu_count() or 2), 8)), "--dist=loadfile")
    session.run("pytest", *(session.posargs or every), env=env)


def with_programs(session: nox.Session) -> dict[str, str]:
    """Install Debian's prometheus and pgbouncer; return the environment in which tests insist on them."""
    session.run("python", "tests/support/integrations.py")
    return {"BULKETL_INTEGRATIONS": "1"}


def with_dbt(session: nox.Session) -> dict[str, str]:
    """Install dbt into an environment of its own; return the environment in which tests find it."""
    place = f"{Path(session.virtualenv.location).resolve()}/dbt"  # create_tmp would give the tests a TMPDIR with a long path
    session.run("python", "-m", "venv", place)
    session.run(f"{place}/bin/pip", "install", "-q", *group("dbt"), external=True)
    return {"BULKETL_DBT": f"{place}/bin/dbt"}


@nox.session
def hostile(session: nox.Session) -> None:
    """Try more than 100,000 hostile names, values and files, and print how many of each kind went into which output.

    The ordinary tests try a part of them.
    """
    session.install("-q", "-e", ".[dashboard]", *group("test"))
    session.run("pytest", "tests/hostile", *session.posargs, env={"BULKETL_HOSTILE": "1"})


@nox.session
def supply(session: nox.Session) -> None:
    """Look at what bulketl stands on: licences, a CycloneDX bill of materials (`bom.json`), advisories.

    It fails as well when the advisory service could not be asked about a package: that is named.
    """
    session.install("-q", *group("supply"))
    place = str(Path(session.create_tmp()).resolve())
    session.run("python", "-m", "venv", f"{place}/runtime")
    extras = ",".join(PYPROJECT["project"]["optional-dependencies"])
    session.run("python", "-m", "pip", f"--python={place}/runtime/bin/python", "install", "-q", f".[{extras}]")
    session.run("python", "tests/support/supply.py", f"{place}/runtime/bin/python", place)


@nox.session
def model(session: nox.Session) -> None:
    """Drive real servers at random beside a model of what must be true, and look for each planted fault.

    `nox -s model -- 500` says in how many examples; 200 without it. The same machine runs among the tests, in a few.
    """
    session.install("-q", "-e", ".[demo]", *group("test"))
    session.run(*PROGRAMS)
    examples = session.posargs[0] if session.posargs else "200"
    session.run("pytest", "-q", "tests/promises/test_model.py", env={"BULKETL_TEST_MODEL": examples})


@nox.session
def integrations(session: nox.Session) -> None:
    """Try other people's programs with bulketl: Debian's prometheus and pgbouncer are installed for that.

    The same tests are among the others, where those are skipped whose program is not there.
    """
    session.install("-q", "-e", ".[demo]", *group("test"))
    session.run(*PROGRAMS)
    session.run("pytest", *INTEGRATIONS, *session.posargs, env=with_programs(session))


@nox.session
def dbt(session: nox.Session) -> None:
    """Run a project of dbt over loaded tables, before, during and after loads; dbt has an environment of its own."""
    session.install("-q", "-e", ".[demo]", *group("test"))
    session.run(*PROGRAMS)
    session.run("pytest", DBT, *session.posargs, env=with_dbt(session))


@nox.session
def orchestrators(session: nox.Session) -> None:
    """Load as part of a catalog of data and of orchestrators: OpenLineage, Dagster, Airflow, each by its own library."""
    session.install("-q", "-e", ".[demo]", *group("test"), *group("orchestrators"))
    session.run(*PROGRAMS)
    place = str(Path(session.create_tmp()).resolve())
    session.run("python", "-m", "venv", f"{place}/airflow")  # which wants other versions than Dagster
    session.run(f"{place}/airflow/bin/pip", "install", "-q", *group("airflow"), external=True)
    airflow = {"BULKETL_AIRFLOW": f"{place}/airflow/bin/python"}
    session.run("pytest", "tests/servers/orchestrators", *session.posargs, env=airflow)


@nox.session
def notebooks(session: nox.Session) -> None:
    """Run the notebooks of examples/ and compare the texts that they show; BULKETL_NOTEBOOKS=write stores them anew."""
    session.install("-q", "-e", ".[demo]", *group("test"), *group("notebooks"))
    session.run(*PROGRAMS)
    session.run("pytest", "tests/servers/operations/test_notebooks.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Look at the dashboard in Debian's Chromium, which is installed with axe-core: as a person and as a keyboard does.

    What is named behind `--` is run alone; CI names test_dashboard_seen.py and test_reports_seen.py.
    """
    session.install("-q", "-e", ".[demo,dashboard]", *group("test"), *group("browser"))
    session.run(*PROGRAMS)
    session.run("python", "tests/support/browser.py")
    session.run("pytest", *(session.posargs or ("tests/servers/browser",)), env={"BULKETL_BROWSER": "1"})


@nox.session
def pictures(session: nox.Session) -> None:
    """Take the pictures in README and docs anew, of a seeded ledger; a test fails when a page is not as its picture."""
    session.install("-q", "-e", ".[demo,dashboard]", *group("test"), *group("browser"))
    session.run(*PROGRAMS)
    session.run("python", "tests/support/browser.py")
    session.run("pytest", "tests/servers/operations/test_pictures.py", env={"BULKETL_PICTURES": "1", "BULKETL_BROWSER": "1"})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the docs as a site into site/; a link to a page or a heading that is not there fails it."""
    session.install("-q", *group("docs"))
    session.run("zensical", "build", "--clean", "--strict")


@nox.session
def demo(session: nox.Session) -> None:
    """Run `bulketl demo` from this checkout."""
    session.install("-q", "-e", ".[demo]")
    session.run("bulketl", "demo", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build wheel and sdist into dist/, install each into an empty environment, and run the demo from the wheel."""
    session.install("-q", "build", "twine")
    place = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "build", "--outdir", str(place / "dist"))
    made = sorted((place / "dist").iterdir())
    session.run("twine", "check", "--strict", *map(str, made))
    for file in made:
        python = str(place / file.suffix.strip(".") / "bin" / "python")
        session.run("python", "-m", "venv", "--clear", str(Path(python).parents[1]))
        session.run(python, "-m", "pip", "install", "-q", f"{file}[demo]", external=True)
        with session.chdir(place):  # away from the checkout
            session.run(python, "-m", "bulketl", "--version", external=True)
            if file.suffix == ".whl":
                session.run(python, "-m", "bulketl", "demo", external=True)


@nox.session
def guard(session: nox.Session) -> None:
    """Fail when loading has got much slower beside the pipe of two clients, measured in the same run."""
    session.install("-q", "-e", ".[demo]", *group("guard"))
    session.run(*PROGRAMS)
    session.run("python", "-m", "benchmarks.guard", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Have everything go wrong that can, and print what became of it: `nox -s faults -- --help`; some minutes.

    The tests have a few of each kind. Disks that are full are tried by root alone, who may mount small ones.
    """
    session.install("-q", "-e", ".[demo]", *group("test"))
    session.run(*PROGRAMS)
    session.run("python", "-m", "trials", *session.posargs, env={"PYTHONPATH": "tests/support"})


@nox.session
def walk(session: nox.Session) -> None:
    """Print the rooms that planning one table enters, and its returns to a higher floor: `nox -s walk -- --help`."""
    session.install("-q", "-e", ".[demo]", *group("guard"))
    session.run(*PROGRAMS)
    session.run("python", "-m", "benchmarks.walk", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Put faults into the rooms that decide and count those that the tests notice: `nox -s mutants -- --help`."""
    session.install("-q", "-e", ".", *group("test"), *group("mutants"))
    session.run(
        "python",
        "tests/mutants/mutants.py",
        *session.posargs,
        env={"PYTHONPATH": "src:.", "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


@nox.session
def labels(session: nox.Session) -> None:
    """Print how many labelled tables `discover` gets right, per database."""
    session.install("-q", "-e", ".[demo]", *group("test"))
    session.run(*PROGRAMS)
    session.run("python", "tests/servers/survey/test_labels.py", env={"PYTHONPATH": "tests/support"})


@nox.session(venv_backend="none")
def bare(session: nox.Session) -> None:
    """Run the README's commands on bare Debian and Ubuntu: `nox -s bare -- --help`."""
    session.run(sys.executable, "tests/bare.py", *session.posargs, external=True)


@nox.session
def compatibility(session: nox.Session) -> None:
    """Run suites on other versions of both servers, out of their archives: `nox -s compatibility -- --help`."""
    session.install("-q", "-e", ".[demo]", *group("test"))
    session.run(*PROGRAMS)
    session.run("python", "tests/compatibility.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure against other ways, side by side: `nox -s bench -- --help`."""
    session.install("-q", "-e", ".[demo,dashboard]", *group("bench"), *group("browser"))
    session.run(*PROGRAMS)
    session.run("python", "-m", "benchmarks.run", *session.posargs)
