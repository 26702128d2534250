"""Founding an organisation: its first events, and the two keys that open it, shown to the founder once."""

from __future__ import annotations

import msgspec

from domain.keys import format_key, hash_key, key_random
from domain.log.ports import Appended, Commands, IdSource
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import CreateOrganization, IssueKey, OrganizationCommand


class Founding(msgspec.Struct, frozen=True, kw_only=True):
    """What to tell the founder, and what to do. The commands hold only hashes of the keys."""

    organization_id: str
    private_key: str
    public_key: str
    commands: tuple[OrganizationCommand, ...]


def found_with(
    name: str, *, new_id: IdSource, secret: bytes, public_random: bytes, shard: int = 0, organization_id: str = ""
) -> Founding:
    """Plan an organisation whose private key this installation can make again from its ``secret``, to check what was
    signed with it (``domain.keys.key_random``)."""
    key_id = new_id()
    return found(
        name,
        new_id=new_id,
        private_random=key_random(secret, "private", key_id),
        public_random=public_random,
        shard=shard,
        private_key_id=key_id,
        organization_id=organization_id,
    )


def found(
    name: str,
    *,
    new_id: IdSource,
    private_random: bytes,
    public_random: bytes,
    shard: int = 0,
    private_key_id: str = "",
    organization_id: str = "",
) -> Founding:
    """Plan an organisation called ``name`` in ``shard``.

    The random bytes become its keys (``domain.keys.RANDOM_BYTES`` each); the private one and the organisation get
    new ids unless they have one already. Raises ``ValueError`` for another length or when both are the same.
    """
    if private_random == public_random:
        raise ValueError("the private and the public key need different random bytes")
    private_key, public_key = format_key("private", private_random), format_key("public", public_random)
    return Founding(
        organization_id=organization_id or new_id(),
        private_key=private_key,
        public_key=public_key,
        commands=(
            CreateOrganization(name=name, shard=shard),
            IssueKey(key_id=private_key_id or new_id(), tag="private", hash=hash_key(private_key), name="private"),
            IssueKey(key_id=new_id(), tag="public", hash=hash_key(public_key), name="public"),
        ),
    )


async def carry_out(founding: Founding, commands: Commands) -> Appended:
    """Record the organisation and its keys; the receipt is that of the last step.

    Raises ``Refused`` (for an empty name, say) and ``LogUnavailable``. When it fails half-way the keys were not
    shown to anybody; found another organisation.
    """
    appended: Appended | None = None
    for command in founding.commands:
        _, appended = await commands.execute(ORGANIZATION, founding.organization_id, command)
    if appended is None:
        raise ValueError("a founding without commands founds nothing")
    return appended
