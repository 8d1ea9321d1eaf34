"""Kafka as the tests see it: write records as ingest would, read all records of the topics, know where they end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec, TopicMetadata  # type: ignore[attr-defined]

from stack import TOPICS
from waiting import wait_until

# Kafka is starting, or has just made a topic.
UNSETTLED = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART,
             KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH,
             KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN, KafkaError._NOENT}

Partition = tuple[str, int]
Positions = dict[Partition, int]  # (topic with prefix, partition) -> the offset that the next record gets


# What the header `backstitch` holds (common/contract/record.h); other headers stand by themselves.
FACTS = ("v", "source", "schema", "received-at", "seq", "via", "auth", "request-id", "ip", "type")


def pack_headers(headers: Mapping[str, str]) -> list[tuple[str, str | bytes | None]]:
    """Headers as ingest writes them, from the flat form that tests use."""
    facts = ";".join(f"{name}={headers[name]}" for name in FACTS if name in headers)
    own = [(name, text.encode()) for name, text in headers.items() if name not in FACTS]
    return [("backstitch", facts.encode()), *own]


def unpack_headers(pairs: Sequence[tuple[str, str | bytes | None]]) -> dict[str, str]:
    """The flat form of a record's headers."""
    headers = {name: _text(value) for name, value in pairs}
    facts = headers.pop("backstitch", "")
    return {**dict(part.split("=", 1) for part in facts.split(";") if "=" in part), **headers}


@dataclass(frozen=True)
class LogRecord:
    """One record; `topic` without the prefix, `headers` in the flat form."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, str]

    @property
    def sequence(self) -> int:
        return int(self.headers["received-at"]) * 1_000_000 + int(self.headers["seq"])


@dataclass(frozen=True)
class NewRecord:
    """One to write; without a partition the key decides, as with ingest."""

    topic: str
    value: bytes
    headers: Mapping[str, str]
    key: str
    partition: int = -1


class KafkaLog:
    """The topics of one prefix."""

    def __init__(self, brokers: str, prefix: str = "segment") -> None:
        self.brokers = brokers
        self.prefix = prefix
        self._admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
        self._producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "linger.ms": 2,
                                   "acks": "all", "message.max.bytes": 2_000_000, "log_level": 0})

    def produce(self, records: Sequence[NewRecord]) -> list[tuple[int, int]]:
        """Delivers all; partition and offset of each."""
        places: list[tuple[int, int]] = [(-1, -1)] * len(records)
        for index, record in enumerate(records):
            self._producer.produce(f"{self.prefix}.{record.topic}", value=record.value, key=record.key,
                                   headers=pack_headers(record.headers), partition=record.partition,
                                   on_delivery=partial(_note_place, places, index))
            self._producer.poll(0)
        assert self._producer.flush(30) == 0, "records were not delivered to Kafka"
        return places

    def metadata(self) -> dict[str, TopicMetadata]:
        """All topics with their partitions, leaders and replicas in sync."""
        return dict(self._admin.list_topics(timeout=15).topics)

    def ends(self) -> Positions:
        """Where each partition ends now; waits while topics have no leader yet, or again."""
        return wait_until(self._try_ends, f"the ends of the topics {self.prefix}.*")

    def _try_ends(self) -> Positions | None:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        try:
            topics = self._admin.list_topics(timeout=15).topics
            wanted = [TopicPartition(name, partition) for topic in TOPICS for name in [f"{self.prefix}.{topic}"]
                      for partition in topics[name].partitions]
            futures = self._admin.list_offsets(dict.fromkeys(wanted, latest))
            return {(at.topic, at.partition): future.result(timeout=15).offset for at, future in futures.items()}
        except KafkaException as problem:
            if problem.args[0].retriable() or problem.args[0].code() in UNSETTLED:
                return None
            raise

    def cut(self, topic: str) -> None:
        """Deletes all that it holds now, as retention would. Of topics of a test's own: plans of others would refuse."""
        ends = [TopicPartition(*at, end) for at, end in self.ends().items() if at[0] == f"{self.prefix}.{topic}"]
        for future in self._admin.delete_records(ends).values():
            future.result(timeout=15)

    def read(self, since: Positions | None = None) -> list[LogRecord]:
        """All records from `since` (default: the start) to the present ends, in no order between partitions."""
        ends = self.ends()
        starts = {at: (since or {}).get(at, 0) for at in ends}
        missing = {at: ends[at] - starts[at] for at in ends if ends[at] > starts[at]}
        if not missing:
            return []
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": "e2e-reader", "enable.auto.commit": False,
                             "auto.offset.reset": "error", "log_level": 0})
        try:
            consumer.assign([TopicPartition(topic, partition, starts[topic, partition]) for topic, partition in missing])
            return self._read_exactly(consumer, sum(missing.values()))
        finally:
            consumer.close()

    def _read_exactly(self, consumer: Consumer, count: int) -> list[LogRecord]:
        records: list[LogRecord] = []
        deadline = time.monotonic() + 60
        while len(records) < count:
            assert time.monotonic() < deadline, f"{len(records)} of {count} records read"
            for message in consumer.consume(10_000, timeout=0.5):
                assert message.error() is None, message.error()
                records.append(self._record(message))
        return records[:count]

    def _record(self, message: Message) -> LogRecord:
        headers = unpack_headers(cast(list[tuple[str, str | bytes | None]], message.headers() or []))
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None and partition is not None and offset is not None
        return LogRecord(topic.removeprefix(self.prefix + "."), partition, offset, _bytes(message.key()),
                         _bytes(message.value()), headers)


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else (value or b"")


def _text(value: str | bytes | None) -> str:
    return _bytes(value).decode()


def _note_place(places: list[tuple[int, int]], index: int, error: KafkaError | None, message: Message) -> None:
    assert error is None, error
    partition, offset = message.partition(), message.offset()
    assert partition is not None and offset is not None
    places[index] = partition, offset
