"""Reports: one value for each, told as a page, as Markdown, as JSON or by mail."""
