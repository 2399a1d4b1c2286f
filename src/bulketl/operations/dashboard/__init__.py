"""The dashboard: web pages over the ledger, for people who look rather than read. It opens nothing but the ledger.

`serve` binds and runs `site`, which has the pages; `doors` decides who is let in; `live` looks at the run once a second for
all browsers together. Each page is a module that makes one value out of readers of the ledger (`overview`, `tablepage`,
`runpage`, `alertpage`), and a template draws it. `words` are how a table stands in the words of the pages, `nights` its last
nights as cells, `charts` lines with axes, `lines` an event as a line of text. `rendering` knows the zone in which times are
shown, and how a name that somebody else chose is shown.

No value of a row is read here but how far a table is loaded, its watermark: the role `dashboard` of `bulketl grants`
suffices, and may do no more.
"""
