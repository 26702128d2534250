"""Why a replica stops instead of guessing, in sentences that say what to do. A halted replica still answers reads."""

from __future__ import annotations

from domain.log.ports import LogUnavailable

_LOST = (
    "the log has lost records; find out how (an unclean leader election, a restored broker), keep the replica as "
    "evidence of what was lost, then move it aside and start again; `callfold replica lost` tells what it was"
)


class Halted(LogUnavailable):
    """This node's copy of a shard cannot go on. Nothing is appended here until it is repaired and restarted."""


def newer_envelope(shard: int, offset: int, problem: Exception) -> Halted:
    """A newer writer's record: judging it by guess would make this replica differ from its peers."""
    return Halted(f"shard {shard} is halted at offset {offset}: {problem}")


def expired(shard: int, wanted: int, earliest: int, replica: str) -> Halted:
    """Retention has passed this replica: what it misses is no longer on the log."""
    return Halted(
        f"shard {shard} is halted: replica {replica} needs offset {wanted}, and the log now begins at {earliest} "
        "(retention has passed it); move the replica aside and start from a newer snapshot of it"
    )


def shorter_log(shard: int, wanted: int, end: int, replica: str) -> Halted:
    """The log has lost records that this replica has applied."""
    return Halted(
        f"shard {shard} is halted: replica {replica} has applied everything up to offset {wanted - 1}, and the log "
        f"ends at {end - 1}: {_LOST}"
    )


def changed_record(shard: int, offset: int, replica: str) -> Halted:
    """The log holds another record than the one that was applied."""
    return Halted(
        f"shard {shard} is halted: the record at offset {offset} is not the one that replica {replica} has applied: "
        f"{_LOST}"
    )


def truncated(shard: int, problem: Exception, replica: str) -> Halted:
    """Kafka itself says that the log was cut before this replica's position."""
    return Halted(
        f"shard {shard} is halted: the log was cut before the position of replica {replica} ({problem}): {_LOST}"
    )


def missing_topic(shard: int, topic: str, replica: str) -> Halted:
    """Somebody has deleted the log."""
    return Halted(
        f"shard {shard} is halted: the brokers have no topic {topic} any more; if it was deleted, keep replica "
        f"{replica}, which holds what was on it, and restore the log from an archive or a backup of the brokers"
    )


def unreadable_record(shard: int, offset: int, problem: Exception) -> Halted:
    """The client cannot even take the record apart, so nobody can say what it holds."""
    return Halted(
        f"shard {shard} is halted at offset {offset}: the Kafka client cannot read what stands there "
        f"({type(problem).__name__}: {problem}); check the brokers' disks, and who else writes to the topic"
    )


def unreadable_replica(shard: int, replica: str, problem: Exception) -> Halted:
    """The replica's file is damaged."""
    return Halted(
        f"shard {shard} is halted: replica {replica} cannot be used ({problem}); move it aside and start again: "
        "it is made anew from the log"
    )
