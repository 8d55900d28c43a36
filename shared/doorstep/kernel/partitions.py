"""How many partitions each topic had when this service saw it first. Another number moves keys to other partitions,
where a message can overtake what was said before it."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from doorstep.bus.kafka_topics import other_count


async def remember(connection: AsyncConnection, counts: Mapping[str, int]) -> None:
    """Keep `counts`, by topic, of those not seen before. Raises WrongTopic when one has another number now."""
    columns = {"topics": list(counts), "partitions": list(counts.values())}
    await connection.execute(_KEEP, columns)
    for row in await connection.execute(_SEEN, {"topics": list(counts)}):
        if row.partitions != counts[row.topic]:
            raise other_count(row.topic, row.partitions)


_KEEP = text(
    "insert into topic_partitions (topic, partitions)"
    " select * from unnest(cast(:topics as text[]), cast(:partitions as int[])) on conflict do nothing"
)
_SEEN = text("select topic, partitions from topic_partitions where topic = any(cast(:topics as text[])) order by topic")
