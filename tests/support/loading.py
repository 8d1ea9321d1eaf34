"""Is everything loaded that is in Kafka?"""

from __future__ import annotations

from database import Database
from kafka_log import KafkaLog, Positions
from waiting import wait_until


def behind(log: KafkaLog, database: Database, group: str = "backstitch-loader") -> Positions:
    """How many records of each partition are not loaded."""
    ends, positions = log.ends(), database.positions(group)
    lag = {at: end - positions.get(at, 0) for at, end in ends.items()}
    return {at: records for at, records in lag.items() if records > 0}


def wait_loaded(log: KafkaLog, database: Database, seconds: float = 30, group: str = "backstitch-loader") -> None:
    """Until every record that is in Kafka now has become something in PostgreSQL."""
    target = log.ends()

    def missing() -> Positions:
        positions = database.positions(group)
        return {at: end - positions.get(at, 0) for at, end in target.items() if end > positions.get(at, 0)}

    wait_until(lambda: not missing(), f"all of {sum(target.values())} records loaded", seconds)
