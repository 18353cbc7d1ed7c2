"""The page of ``clearer demo``: its files, its server, the runtime of the browser."""
