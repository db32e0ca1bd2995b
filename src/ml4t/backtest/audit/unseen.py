"""Unseen: what no audit sees, however it is asked."""

UNSEEN = (
    "how a file or a frame was made before it came: a column that is given may hold what was "
    "computed from later rows, unless a record of a check says otherwise",
    "whether timestamps and available_at are true, where nothing contradicts them",
    "what is missing: rows that were revised, or companies that were removed, before the data was "
    "sold",
    "what a strategy, a provider or a function that makes a source reads past the catalog, such as "
    "files, the network, what it kept of an earlier call, or a model that was fitted or trained to "
    "later years",
    "how often it was tried: settings that were chosen on the same bars, and runs that nobody kept",
    "the choice of market, period and idea by someone who knows how they went",
    "a leak that shows at none of the cuts, nor in the proof of a column: with few cuts one that "
    "reaches a bar ahead in rare rows",
    "whether the market would have traded so: depth, queues, impact and fees beyond the models",
    "a fault of the engine that whole and cut runs share, where the checks of fills see none",
    "who holds the key: a signature says whose it is, and not that the tables are true; a replay "
    "says that",
)
