"""The encodings that a database of Postgres may have, by their names there."""

ENCODINGS = (  # every one that a database may have
    "SQL_ASCII", "EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "UTF8", "MULE_INTERNAL",
    *(f"LATIN{n}" for n in range(1, 11)), *(f"ISO_8859_{n}" for n in range(5, 9)), *(f"WIN{n}" for n in range(1250, 1259)),
    "WIN866", "WIN874", "KOI8R", "KOI8U",
)  # fmt: skip
