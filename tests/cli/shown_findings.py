"""What validate may find, for its screens."""

from __future__ import annotations

from bulketl.survey.findings import Finding, FindingSeverity


def said(kind: str, severity: FindingSeverity, table: str, message: str, **more: object) -> Finding:
    return Finding(table, severity, message, "it is not loaded", "mend it", kind=kind, **more)  # type: ignore[arg-type]


REFUSED = [said("refused", "error", name, f"table {name!r} is somebody else's: oid {n}") for n, name in enumerate("abcde")]
REFUSED.append(said("refused", "error", "f", "table 'f': column n is GENERATED in the target"))
CURSORS = [
    said("cursor without index", "note", f"t{n}", f"cursor c{n} has no index", fix={"incremental_column": "x"})
    for n in range(3)
]
NEW = [said("without rule", "note", f"new{n}", "is in the source and has no rule") for n in range(431)]
FOUND: dict[str, list[Finding]] = {
    "nothing": [],
    "refused": REFUSED,
    "many": [*REFUSED, *CURSORS, *NEW],
    "notes": NEW,
    "odd-names": [said("without rule", "note", "a\x1b[31m\nb", "is in the source and has no rule")],
    "not-here": [
        Finding(
            "bulketl.yaml",
            "error",
            "hooks.0 (dbt): there is no program 'dbt'",
            "the load goes on without it, and says each time that it failed",
            "install it, or name it by its path: the PATH of a scheduler is short",
            kind="not here",
        ),
    ],
    "no-load": [Finding("raw", "error", "database d is on a replica", "no load begins", "give the primary", kind="lacking")],
}
