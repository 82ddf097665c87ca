"""What is true about Workflows: tables, transactions, migrations, the outbox. On SQLite or PostgreSQL."""

from orchestrator.store.database import Store, open_store
from orchestrator.store.reader import Reader
from orchestrator.store.transaction import Transaction

__all__ = ["Reader", "Store", "Transaction", "open_store"]
