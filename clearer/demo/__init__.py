"""The page of ``clearer demo``: its files, its server, and the browser's runtime."""
