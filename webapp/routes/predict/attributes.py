"""A queue's attributes, all of them texts, as the vendor's clients read them."""

from collections.abc import Mapping, Sequence

from webapp.queues.contracts.entries import ConsumerStatus, EntryQueueStatus
from webapp.routes.predict.addresses import GROUP_HEADER, PRIORITY_HEADER, USER_HEADER
from webapp.settings.config import Config


def attributes_of(name: str, status: EntryQueueStatus, config: Config) -> Mapping[str, str]:
    """The attributes of a queue. Go's client works only where ``meta.header.user`` is named."""
    facts = {
        "meta.backend": "sqlite",
        "meta.name": f"{config.service_name}/{name}",
        "meta.state": "Closed" if status.closed else "Normal",
        "meta.maxPayloadBytes": str(config.max_entry_bytes),
        "meta.header.user": USER_HEADER,
        "meta.header.group": GROUP_HEADER,
        "meta.header.priority": PRIORITY_HEADER,
        "stream.length": str(status.length),
        "stream.approxMaxLength": str(config.max_queue_entries),
        "stream.firstEntry": str(status.first),
        "stream.lastEntry": str(status.last),
    }
    return {**facts, **consumer_attributes(status.consumers), **group_attributes(status.consumers)}


def consumer_attributes(consumers: Sequence[ConsumerStatus]) -> dict[str, str]:
    """A line for each consumer, and their number, under both names that are in use."""
    lines = {f"consumers.list.[{n}]": consumer_line(each) for n, each in enumerate(consumers)}
    count = str(len(consumers))
    return {**lines, "consumers.stats.total": count, "consumers.status.total": count}


def consumer_line(consumer: ConsumerStatus) -> str:
    """How a consumer stands; ``Slots``: entries that it may be sent now."""
    terms = consumer.terms
    slots = 0 if terms.auto_commit else max(terms.window - consumer.pending, 0)
    tags = ",".join(f"{name}={value}" for name, value in terms.filter.tags.items())
    return (
        f"Id: {consumer.name.group}.{consumer.name.name}, Index: {terms.index}, "
        f"Pending: {consumer.pending}, Status: {consumer.state}, Idle: {consumer.idle:.3f}s, "
        f"Window: {0 if terms.auto_commit else terms.window}, Slots: {slots}, "
        f"AutoCommit: {str(terms.auto_commit).lower()}" + (f", Tags: tags[{tags}]" if tags else "")
    )


def group_attributes(consumers: Sequence[ConsumerStatus]) -> dict[str, str]:
    """A line for each group, and their number."""
    groups: dict[str, list[ConsumerStatus]] = {}
    for consumer in consumers:
        groups.setdefault(consumer.name.group, []).append(consumer)
    lines = {
        f"groups.list.[{n}]": (
            f"Id: {name}, Index: {min(each.terms.index for each in members)}, "
            f"Pending: {sum(each.pending for each in members)}, Consumers: {len(members)}"
        )
        for n, (name, members) in enumerate(groups.items())
    }
    return {**lines, "groups.stats.total": str(len(groups))}
