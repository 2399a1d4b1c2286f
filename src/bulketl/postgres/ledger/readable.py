"""What the drawer of a dashboard may read of the ledger: for each table, the columns that contain no value of any row.

If a column is in neither list, nobody has thought about it yet: it is not granted, and a test names it.
"""

from __future__ import annotations

READABLE: dict[str, tuple[str, ...]] = {
    "acknowledgement": ("incident", "by", "seconds", "asked_at", "heard_at"),
    "alerted": ("run", "schema_name", "seq", "done"),
    "audit_chain": ("schema_name", "table_name", "seq", "kind", "run", "rows", "all_rows", "at", "made_in"),
    "audit_trail": ("seq", "run", "schema_name", "table_name", "kind", "seen_at", "made_in"),
    "cancel": ("run", "at_once", "by", "asked_at", "heard_at"),
    "certificate": ("run", "source", "schema_name", "table_name", "certified"),
    "compared": ("run", "schema_name", "table_name", "missing", "differing", "gone", "deletes", "compared_at"),
    "comparison": (
        "seq", "schema_name", "shadow_name", "table_name", "kind", "level", "outcome", "legacy_rows", "shadow_rows",
        "differences", "note", "seconds", "by", "at",
    ),
    "delivery": (
        "delivery", "key", "channel", "kind", "round", "daily", "due_at", "attempts", "delivered_at", "dropped_at", "answer",
        "thread",
    ),
    "event": ("run", "seq", "at", "kind", "body"),
    "finding": (
        "schema_name", "table_name", "kind", "run", "source", "tier", "value", "expected", "bound", "nights", "found_at",
        "closed_at",
    ),
    "incident": (
        "incident", "key", "source", "schema_name", "occasion", "side", "kind", "tier", "status", "opened_at", "round",
        "escalates_at", "told", "heard", "acknowledged_by", "acknowledged_until", "resolved_by", "resolved_at", "members",
        "daily",
    ),
    "incident_report": ("number", "schema_name", "run", "made_at", "by", "document"),
    "legacy_run": (
        "seq", "schema_name", "started_at", "seconds", "code", "how", "tables", "loaded", "failed", "log", "by",
    ),
    "handover": (
        "seq", "schema_name", "run", "act", "tables", "document", "at", "attempts", "tried_at", "answer", "told_at",
    ),
    "kept": (
        "seq", "schema_name", "table_name", "way", "place", "oid", "run", "kept_at", "keep_until", "ended_at", "ended",
        "ended_by", "writes", "writes_at",
    ),
    "made": ("seq", "schema_name", "table_name", "oid", "source", "run", "how", "by", "made_at"),
    "measure": ("run", "source", "schema_name", "what", "table_name", "column_name", "value", "most", "side", "measured_at"),
    "ownership": ("seq", "schema_name", "table_name", "owner", "by", "reason", "run", "at"),
    "partition": (
        "run", "schema_name", "table_name", "partition", "rows", "rejects", "bytes", "changed", "loaded_at", "written",
        "checks", "expected",
    ),
    "previous": ("schema_name", "table_name", "run", "rows", "now_rows", "kept_at"),
    "published": (
        "run", "schema_name", "table_name", "rows", "how", "published_at", "inserted", "updated", "unchanged", "deleted",
        "checks", "quality",
    ),
    "reject": (
        "run", "schema_name", "table_name", "partition", "column_name", "rejected_at", "settled_at", "settled", "escaped",
    ),
    "retained": (
        "run", "schema_name", "table_name", "column_name", "before", "rows", "action", "file", "sha256", "retained_at",
    ),
    "run": (
        "run", "kind", "host", "source", "schema_name", "zone", "plan", "version", "started_at", "finished_at", "outcome",
        "summary", "sessions", "source_work", "judged_at", "pruned_at", "rules",
    ),
    "state": (
        "schema_name", "table_name", "source", "zone", "cursor_column", "cursor_type", "watermark", "rows", "kept", "run",
        "published_at", "compared_at", "retained", "part",
    ),
    "table_load": (
        "run", "source", "schema_name", "table_name", "tier", "outcome", "rows", "rejects", "bytes", "seconds", "changed",
        "drift", "reason", "hint", "inserted", "updated", "unchanged", "deleted", "consistency", "checks", "quality", "lag",
        "part",
    ),
    "verification": (
        "schema_name", "table_name", "at", "source", "by", "level", "sample", "outcome", "compared", "missing", "differing",
        "extra", "doubled", "figures", "run",
    ),
    "waiver": ("seq", "schema_name", "table_name", "column_name", "class", "ended", "reason", "by", "at"),
}  # fmt: skip
HIDDEN: dict[str, dict[str, str]] = {
    "audit_chain": dict.fromkeys(("hash", "all_hash", "link"), "sums of the hashes of rows, by which a guess can be tried"),
    "audit_trail": dict.fromkeys(("key", "old_row", "new_row"), "rows that were altered"),
    "certificate": {"document": "minima and maxima of every column"},
    "kept": {"views": "definitions of views, in which values may stand"},
    "previous": {
        **dict.fromkeys(("hash", "now_hash"), "sums of the hashes of rows, by which a guess can be tried"),
        "state": "what the record of a table had, its watermark too",
    },
    "reject": dict.fromkeys(("value", "reason", "key", "row"), "rejected rows; Postgres' reasons quote their values"),
    "run": {"document": "the plan, with the keys at which ranges begin"},
    "state": {
        "evidence": "by what a table was seen not to have changed",
        "masking": "a fingerprint of the masks and of their key",
        "taken": "by which condition rows were read, in which values may stand",
    },
    "table_load": {"error": "what a server said in loads of earlier versions, which may quote values"},
}
