"""What runs log through Dagster, in the form of all our logs."""

import logging

import dagster as dg

from orchestrator.observe.log import JsonLineHandler

JSON_LOGGER = "json"


@dg.logger(config_schema={}, description="JSON lines on stderr, masked.")
def json_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """A logger of its own, not one of `logging`'s tree: nothing else may add a second line for the same record."""
    del context
    logger = logging.Logger("dagster.run", level=logging.INFO)
    logger.addHandler(JsonLineHandler())
    return logger
